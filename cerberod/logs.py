"""Logging that cannot hurt: JSON lines on stderr from a bounded queue, without secrets, never waiting for the reader.

Two loggers are ours: `cerberod` for events, and `cerberod.request` with one line for each call. Both, and whatever
libraries log, end in one `LogSink`, whose thread alone touches the file descriptor: when nobody reads stderr, lines are
dropped and counted, and calls go on. Known secrets are replaced in every line before it is written. Of an exception its
type and its places are logged, but neither its text nor the values of any frame, since either may hold what a caller
or a venue sent.
"""

import atexit
import logging
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from types import TracebackType
from typing import Any
from urllib.parse import quote

import orjson

from cerberod.clock import Clock, from_ms
from cerberod.settings import MASK, LogFormat, LogLevel, Secret

log = logging.getLogger("cerberod")
_request_logger = logging.getLogger("cerberod.request")

MAX_QUEUED_LINES = 4096
MAX_TEXT = 4096
MAX_FRAMES = 30
MAX_CAUSES = 5
MAX_METHOD = 64
MAX_NAMES = 1024
# Waiting a moment before writing lets a busy daemon write many lines at once, instead of waking a thread for each.
BATCH_PAUSE_S = 0.01

_LINE = (
    b'{"time":"%b","level":"info","logger":"cerberod.request","request_id":"%b",%b,"code":%d,"duration_ms":%.3f,'
    b'"upstream_calls":%d,"upstream_ms":%.3f'
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}


class Redactor:
    """Replaces known secrets in text, however JSON or a URL writes them."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._needles: list[bytes] = []
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Replace these too from now on; what was once secret stays so."""
        forms = set(self._needles)
        for secret in secrets:
            text = secret.reveal()
            forms |= {form.encode() for form in (text, orjson.dumps(text)[1:-1].decode(), quote(text, safe="")) if form}
        # Longest first: a secret that holds another one must not leave its own rest behind.
        self._needles = sorted(forms, key=len, reverse=True)
        self._shortest = min(map(len, self._needles), default=0)

    def holds_secret(self, data: bytes) -> bool:
        """Tell whether any secret stands in these bytes."""
        return len(data) >= self._shortest and any(needle in data for needle in self._needles)

    def clean(self, line: bytes) -> bytes:
        """Return the line without any secret."""
        for needle in self._needles:
            if needle in line:
                line = line.replace(needle, MASK.encode())
        return line

    def clean_text(self, text: str) -> str:
        """Return the text without any secret; what is no Unicode text is escaped."""
        return self.clean(text.encode("utf-8", "backslashreplace")).decode()


@dataclass(slots=True)
class _Stamp:
    """Writes milliseconds as ISO 8601; the part down to the second is kept, because most lines share it."""

    second: int = -1
    text: str = ""

    def __call__(self, ms: int) -> str:
        second, rest = divmod(ms, 1000)
        if second != self.second:
            self.text = f"{from_ms(second * 1000):%Y-%m-%dT%H:%M:%S}"
            self.second = second
        return f"{self.text}.{rest:03d}Z"


class LogSink:
    """The queue of encoded lines and the one thread that writes them."""

    def __init__(self, redactor: Redactor, *, fd: int = 2, as_text: bool = False) -> None:
        self.dropped = 0
        self.redactor = redactor
        self._fd = fd
        self._as_text = as_text
        self._lines: deque[bytes | threading.Event] = deque()
        self._awake = False
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._closing = False
        self._untold = 0
        self._restore: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """Lines waiting to be written."""
        return len(self._lines)

    def put(self, line: bytes) -> None:
        """Queue one encoded line without its line end; drop it when the queue is full. Never waits."""
        if len(self._lines) >= MAX_QUEUED_LINES:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._awake:
            self._awake = True
            self._wake.set()

    def flush(self, timeout_s: float = 1.0) -> bool:
        """Wait until everything queued is written; tell whether it was."""
        written = threading.Event()
        self._lines.append(written)
        self._hurry.set()
        self._wake.set()
        return written.wait(timeout_s)

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what is queued, within the time given, and give logging back as it was."""
        for restore in reversed(self._restore):
            restore()
        self._restore.clear()
        self._closing = True
        self.flush(timeout_s)
        self._thread.join(timeout_s if not self._lines else 0)

    def on_close(self, restore: Callable[[], None]) -> None:
        """Remember what is to be undone when the sink is closed."""
        self._restore.append(restore)

    def _run(self) -> None:
        while not (self._closing and not self._lines):
            self._wake.wait()
            self._wake.clear()
            self._hurry.wait(BATCH_PAUSE_S)
            self._hurry.clear()
            # From here on a new line wakes the thread again, so that none is left behind.
            self._awake = False
            self._drain()

    def _drain(self) -> None:
        batch: list[bytes] = []
        while self._lines:
            item = self._lines.popleft()
            if isinstance(item, bytes):
                batch.append(item)
            if not isinstance(item, bytes) or len(batch) >= 256 or not self._lines:
                self._write_batch(batch)
                batch = []
            if isinstance(item, threading.Event):
                item.set()

    def _write_batch(self, batch: list[bytes]) -> None:
        lost = self.dropped - self._untold
        if lost:
            self._untold += lost
            batch.append(
                orjson.dumps({"level": "warning", "logger": "cerberod", "message": "log lines lost", "lines": lost})
            )
        if not batch:
            return
        if self._as_text:
            batch = [_readable(line) for line in batch]
        if not self._write(self.redactor.clean(b"\n".join(batch) + b"\n")):
            self.dropped += len(batch)

    def _write(self, data: bytes) -> bool:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                # Somebody who shares the terminal or pipe made it non-blocking.
                select.select([], [self._fd], [], 1.0)
            except OSError:
                return False
        return True


class _SinkHandler(logging.Handler):
    """Encodes the records of the logging module for the sink."""

    def __init__(self, sink: LogSink) -> None:
        super().__init__()
        self._sink = sink
        self._stamp = _Stamp()

    def emit(self, record: logging.LogRecord) -> None:
        entry: dict[str, Any] = {
            "time": self._stamp(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        try:
            text = record.getMessage()
        except Exception:  # A wrong format string of any library must not become an error of whoever logged.
            text = f"a message that could not be formatted, from {record.module}:{record.lineno}"
        if not record.name.startswith("cerberod"):
            # What libraries put on further lines are the insides of objects and exceptions.
            text = text.partition("\n")[0]
        entry["message"] = self._sink.redactor.clean_text(text)[:MAX_TEXT]
        entry.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info and record.exc_info[1] is not None:
            entry["error"] = describe_exception(record.exc_info[1])
        self._sink.put(_encode(entry))


def describe_exception(error: BaseException) -> dict[str, Any]:
    """Return the type of an exception, where it passed, and what caused it; nothing that anybody sent."""
    described: dict[str, Any] = {"type": _type_name(error), "trace": _places(error.__traceback__)}
    if isinstance(error, OSError) and error.errno is not None:
        described["errno"] = error.errno
    if isinstance(error, BaseExceptionGroup):
        described["of"] = [describe_exception(each) for each in error.exceptions[:MAX_CAUSES]]
    causes: list[dict[str, Any]] = []
    cause = _cause(error)
    while cause is not None and len(causes) < MAX_CAUSES:
        causes.append({"type": _type_name(cause), "trace": _places(cause.__traceback__)})
        cause = _cause(cause)
    if causes:
        described["causes"] = causes
    return described


def _cause(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _places(trace: TracebackType | None) -> list[str]:
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno} {code.co_qualname}")
        trace = trace.tb_next
    if len(places) > MAX_FRAMES:
        places[MAX_FRAMES // 2 : -MAX_FRAMES // 2] = ["…"]
    return places


def _encode(entry: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(entry, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # A lone surrogate or a number beyond 64 bits somewhere: everything is still told, as escaped text.
        return orjson.dumps({str(name): ascii(value)[:MAX_TEXT] for name, value in entry.items()})


def _plain(value: object) -> str:
    match value:
        case Secret() | PurePath():
            return str(value)
        case _:
            # The text of an unknown object may hold anything.
            return f"<{type(value).__qualname__}>"


def _readable(line: bytes) -> bytes:
    entry = orjson.loads(line)
    head = f"{entry.pop('time', '-')} {entry.pop('level').upper():7} {entry.pop('logger')}"
    message = entry.pop("message", None)
    parts = [head] + ([_escaped(message)] if message else [])
    parts += [f"{name}={_value(value)}" for name, value in entry.items() if value is not None]
    return " ".join(parts).encode()


def _escaped(text: str) -> str:
    return text if text.isprintable() else orjson.dumps(text)[1:-1].decode()


def _value(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and value and not set(value) & set(' "='):
        return value
    return orjson.dumps(value).decode()


@dataclass(frozen=True, slots=True)
class RequestLog:
    """Writes the request log: `cerberod.request`, one line for each call."""

    sink: LogSink
    clock: Clock
    _stamp: _Stamp = field(default_factory=_Stamp)
    _names: dict[str, bytes] = field(default_factory=dict)
    """What stands in a line for each method, encoded once; bounded, because callers may invent methods."""

    def for_caller(
        self,
        *,
        transport: str,
        actor: str,
        bot_tag: str,
        session_id: str,
        client_ip: str | None,
        user_agent: str | None,
    ) -> "CallerLog":
        """Return the log of one session, whose own fields are encoded once for all its calls."""
        clean = self.sink.redactor.clean_text
        fields = {
            "transport": transport,
            "actor": actor,
            "bot_tag": clean(bot_tag),
            "session_id": session_id,
            "client_ip": client_ip,
            "user_agent": None if user_agent is None else clean(user_agent)[:256],
        }
        return CallerLog(self, b"," + orjson.dumps(fields)[1:])

    def line(
        self, request_id: str, method: str, code: int, duration_ms: float, upstream_calls: int, upstream_ms: float
    ) -> bytes:
        """Write a line as far as it is of one call and not of its caller; without the end of the object.

        Put together from parts that need no escaping: this is a tenth of what a small call costs.
        """
        return _LINE % (
            self._stamp(self.clock.now_ms()).encode(),
            request_id.encode(),
            self._names.get(method) or self._name(method),
            code,
            duration_ms,
            upstream_calls,
            upstream_ms,
        )

    def _name(self, method: str) -> bytes:
        shown = method
        if len(method) > MAX_METHOD or not method.isascii():
            # Only a caller's own invention looks like this. It is cleaned before it is cut, so that no part of a
            # secret is left where the whole would have been found.
            shown = self.sink.redactor.clean_text(method)[:MAX_METHOD]
        namespace, _, tool = shown.partition(".")
        name = orjson.dumps({"method": shown, "namespace": namespace, "tool": tool})[1:-1]
        if shown is method and len(self._names) < MAX_NAMES:
            self._names[method] = name
        return name


@dataclass(frozen=True, slots=True)
class CallerLog:
    """The request log of one session."""

    _log: RequestLog
    _tail: bytes

    def write(
        self,
        request_id: str,
        method: str,
        code: int,
        duration_ms: float,
        upstream_calls: int = 0,
        upstream_ms: float = 0.0,
    ) -> None:
        """Write the line of one call that has been answered; `code` is 0 or the error's."""
        if _request_logger.isEnabledFor(logging.INFO):
            line = self._log.line(request_id, method, code, duration_ms, upstream_calls, upstream_ms)
            self._log.sink.put(line + self._tail)


def set_level(level: LogLevel) -> None:
    """Log from this level on; what other packages say, from warnings on at least."""
    log.setLevel(_LEVELS[level])
    logging.getLogger().setLevel(max(logging.WARNING, _LEVELS[level]))


def setup_logging(
    level: LogLevel = LogLevel.INFO,
    format: LogFormat = LogFormat.JSON,
    secrets: Iterable[Secret] = (),
    *,
    fd: int = 2,
) -> LogSink:
    """Send everything that is logged, warned of, or raised and not caught, to one sink; `close` undoes it."""
    sink = LogSink(Redactor(secrets), fd=fd, as_text=format is LogFormat.TEXT)
    handler = _SinkHandler(sink)
    root = logging.getLogger()
    before = (root.level, log.level)
    root.addHandler(handler)
    set_level(level)
    logging.captureWarnings(True)
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable

    # What was logged last, an uncaught error above all, is written before the interpreter ends the thread.
    atexit.register(sink.flush)

    def restore() -> None:
        atexit.unregister(sink.flush)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.setLevel(before[0])
        log.setLevel(before[1])

    sink.on_close(restore)
    return sink


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        log.critical("an error that nobody caught ends the program", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        log.error("an error that nobody caught ends a thread", exc_info=args.exc_value)


def _unraisable(args: Any) -> None:
    if args.exc_value is not None:
        log.error("an error where none can be raised", exc_info=args.exc_value)
