"""What is logged, in what form, and that neither secrets nor a stuck reader get through. faults.md 19, 81, 91."""

import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.clock import from_ms
from cerberod.logs import (
    MAX_NAMES,
    MAX_QUEUED_LINES,
    LogSink,
    Redactor,
    RequestLog,
    describe_exception,
    log,
    setup_logging,
)
from cerberod.settings import LogFormat, LogLevel, Secret

CANARY = 'canary"kZ3vQ9xT1/mW7pL5s'


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        return datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

    def now_ms(self) -> int:
        return int(self.now().timestamp() * 1000)

    def monotonic(self) -> float:
        return 0.0


class Log:
    """A log that goes to a file, and what stands in it."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.sink: LogSink = setup_logging(fd=self._fd, **options)

    def text(self) -> str:
        assert self.sink.flush(10)
        return self.path.read_text("utf-8")

    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.text().splitlines()]

    def close(self) -> None:
        self.sink.close()
        os.close(self._fd)


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Callable[..., Log]]:
    opened: list[Log] = []

    def make(**options: Any) -> Log:
        opened.append(Log(tmp_path / f"log{len(opened)}", **options))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_an_event_is_one_line_with_its_fields(open_log: Callable[..., Log]) -> None:
    written = open_log()
    log.info("listening on %s", "x", extra={"port": 9000, "state_dir": Path("/s")})
    [line] = written.lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "cerberod",
        "message": "listening on x",
        "port": 9000,
        "state_dir": "/s",
    }


def test_a_request_is_one_line(open_log: Callable[..., Log]) -> None:
    written = open_log()
    requests = RequestLog(written.sink, Still())
    caller = requests.for_caller(
        transport="websocket",
        actor="testnet",
        bot_tag="desk-1",
        session_id="s-1",
        client_ip="127.0.0.1",
        user_agent=None,
    )
    caller.write("r-1", "deribit.get_ticker", 0, 12.34567, 1, 11.0)
    caller.write("r-2", "nonsense", -32601, 0.1)
    first, second = written.lines()
    assert first == {
        "time": "2026-01-02T03:04:05.678Z",
        "level": "info",
        "logger": "cerberod.request",
        "request_id": "r-1",
        "method": "deribit.get_ticker",
        "namespace": "deribit",
        "tool": "get_ticker",
        "code": 0,
        "duration_ms": 12.346,
        "upstream_calls": 1,
        "upstream_ms": 11.0,
        "transport": "websocket",
        "actor": "testnet",
        "bot_tag": "desk-1",
        "session_id": "s-1",
        "client_ip": "127.0.0.1",
        "user_agent": None,
    }
    assert (second["method"], second["namespace"], second["tool"], second["code"]) == (
        "nonsense",
        "nonsense",
        "",
        -32601,
    )


def test_methods_that_callers_invent_are_told_and_not_kept(open_log: Callable[..., Log]) -> None:
    written = open_log()
    requests = RequestLog(written.sink, Still())
    caller = requests.for_caller(
        transport="stdio", actor="a", bot_tag="b", session_id="s", client_ip=None, user_agent=None
    )
    strange = ['a."b\\', "x" * 1_000_000, "\u00e9.\ud800", "\x00\n.%s%b"]
    for name in strange:
        caller.write("r", name, -32601, 0.5)
    assert [line["method"] for line in written.lines()][:2] == [strange[0], "x" * 64]
    for number in range(2 * MAX_NAMES):
        caller.write("r", f"m.{number}", -32601, 0.5)
    assert len(requests._names) == MAX_NAMES
    assert max(map(len, requests._names)) <= 64


def test_time_follows_the_clock_over_the_second(open_log: Callable[..., Log]) -> None:
    class Moving(Still):
        ms = 999

        def now_ms(self) -> int:
            self.ms += 1
            return self.ms - 1

        def now(self) -> datetime:
            return from_ms(self.ms)

    written = open_log()
    caller = RequestLog(written.sink, Moving()).for_caller(
        transport="stdio", actor="a", bot_tag="b", session_id="s", client_ip=None, user_agent=None
    )
    caller.write("r", "a.b", 0, 0)
    caller.write("r", "a.b", 0, 0)
    assert [line["time"] for line in written.lines()] == ["1970-01-01T00:00:00.999Z", "1970-01-01T00:00:01.000Z"]


@pytest.mark.parametrize("level", [LogLevel.WARNING, LogLevel.ERROR])
def test_level_holds_for_both_loggers(open_log: Callable[..., Log], level: LogLevel) -> None:
    written = open_log(level=level)
    log.info("quiet")
    RequestLog(written.sink, Still()).for_caller(
        transport="stdio", actor="a", bot_tag="b", session_id="s", client_ip=None, user_agent=None
    ).write("r", "a.b", 0, 0)
    log.error("loud")
    assert [line["message"] for line in written.lines()] == ["loud"]


def test_libraries_are_heard_from_warning_on_and_with_one_line(open_log: Callable[..., Log]) -> None:
    written = open_log(level=LogLevel.DEBUG)
    other = logging.getLogger("websockets.server")
    other.info("chatter")
    other.warning("first\nfuture: <Task exception=ValueError('inside')>")
    log.debug("detail")
    assert [line["message"] for line in written.lines()] == ["first", "detail"]


@pytest.mark.promise("P9")
def test_secrets_are_replaced_wherever_they_stand(open_log: Callable[..., Log]) -> None:
    written = open_log(secrets=[Secret(CANARY)])
    log.info("token %s", CANARY, extra={"field": f"<{CANARY}>", "secret": Secret(CANARY), CANARY: 1})
    log.info("url %s", "wss://x/?t=canary%22kZ3vQ9xT1%2FmW7pL5s")
    caller = RequestLog(written.sink, Still()).for_caller(
        transport="websocket",
        actor="a",
        bot_tag=CANARY,
        session_id="s",
        client_ip="127.0.0.1",
        user_agent="x" * 245 + CANARY,
    )
    caller.write("r", "x" * 50 + CANARY, -32601, 1)
    caller.write("r", CANARY, -32601, 1)
    text = written.text()
    assert "canary" not in text
    assert "kZ3v" not in text
    assert text.count("***") >= 7


def test_a_secret_that_holds_another_leaves_no_rest() -> None:
    redactor = Redactor([Secret("canary-1"), Secret("canary-1-and-more")])
    assert redactor.clean(b"<canary-1-and-more>") == b"<***>"


def boom(secret: str) -> None:
    """Raise with a secret in the text, in the cause, and in the frame."""
    try:
        raise KeyError(secret)
    except KeyError as error:
        raise ValueError(f"bad {secret}") from error


@pytest.mark.promise("P9")
def test_an_exception_is_told_by_type_and_place_alone(open_log: Callable[..., Log]) -> None:
    written = open_log()
    try:
        boom("never-registered-anywhere")
    except ValueError:
        log.exception("call failed")
    [line] = written.lines()
    assert line["error"]["type"] == "ValueError"
    assert line["error"]["trace"][-1].startswith(f"{__name__}:")
    assert line["error"]["trace"][-1].endswith(" boom")
    assert [cause["type"] for cause in line["error"]["causes"]] == ["KeyError"]
    assert "never-registered" not in written.text()


def test_groups_and_deep_traces_stay_small() -> None:
    def deep(levels: int) -> None:
        if levels == 0:
            raise OSError(28, "text")
        deep(levels - 1)

    with pytest.raises(OSError) as caught:
        deep(200)
    described = describe_exception(ExceptionGroup("text", [caught.value] * 50))
    assert described["type"] == "ExceptionGroup"
    assert [each["errno"] for each in described["of"]] == [28] * 5
    assert max(len(each["trace"]) for each in described["of"]) == 31


def test_what_json_cannot_hold_is_still_told(open_log: Callable[..., Log]) -> None:
    written = open_log()
    log.info("lone \ud800 surrogate", extra={"big": 2**70, "thing": object()})
    log.info("line\nbreak \x1b[31m")
    surrogate, control = written.lines()
    assert surrogate["big"] == str(2**70)
    assert "surrogate" in surrogate["message"]
    assert control["message"] == "line\nbreak \x1b[31m"
    assert len(written.text().splitlines()) == 2


def test_text_form(open_log: Callable[..., Log]) -> None:
    written = open_log(format=LogFormat.TEXT, secrets=[Secret(CANARY)])
    log.warning("two\nlines", extra={"n": 1, "plain": "word", "blank": "two words", "secret": CANARY, "none": None})
    [line] = written.text().splitlines()
    assert line.split(" ", 1)[1] == r'WARNING cerberod two\nlines n=1 plain=word blank="two words" secret="***"'


@pytest.mark.promise("P10")
def test_a_stuck_reader_costs_lines_and_nothing_else() -> None:
    reading, writing = os.pipe()
    sink = LogSink(Redactor([]), fd=writing)
    try:
        line = orjson.dumps({"message": "x" * 1000})
        for _ in range(3 * MAX_QUEUED_LINES):
            sink.put(line)
        assert sink.queued <= MAX_QUEUED_LINES
        assert sink.dropped > 0
        assert not sink.flush(0.05)
        lost = sink.dropped
        collected: list[bytes] = []
        reader = threading.Thread(target=lambda: collected.extend(iter(lambda: os.read(reading, 1 << 16), b"")))
        reader.start()
        assert sink.flush(30)
        sink.close()
        os.close(writing)
        reader.join(30)
        entries = [orjson.loads(each) for each in b"".join(collected).splitlines()]
        assert sum(each.get("lines", 0) for each in entries) == lost
        assert len([each for each in entries if "lines" not in each]) == 3 * MAX_QUEUED_LINES - lost
    finally:
        os.close(reading)


def test_a_closed_reader_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    sink = LogSink(Redactor([]), fd=writing)
    sink.put(b"{}")
    assert sink.flush(10)
    assert sink.dropped == 1
    sink.close()
    os.close(writing)


def test_a_non_blocking_descriptor_is_waited_for(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    sink = LogSink(Redactor([]), fd=writing)
    for _ in range(200):
        sink.put(b"x" * 1000)
    collected: list[bytes] = []
    reader = threading.Thread(target=lambda: collected.extend(iter(lambda: os.read(reading, 1 << 16), b"")))
    reader.start()
    assert sink.flush(30)
    sink.close()
    os.close(writing)
    reader.join(30)
    os.close(reading)
    assert len(b"".join(collected)) == 200 * 1001


def test_lines_of_many_threads_are_all_written(open_log: Callable[..., Log]) -> None:
    written = open_log()

    def work(number: int) -> None:
        for index in range(200):
            log.info("line", extra={"n": number, "i": index})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(line["n"], line["i"]) for line in written.lines()}) == 800


def test_warnings_are_logged(open_log: Callable[..., Log]) -> None:
    written = open_log()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old thing", UserWarning, stacklevel=1)
    assert ["old thing" in line["message"] for line in written.lines()] == [True]


def test_close_gives_logging_back() -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, log.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    fd = os.open(os.devnull, os.O_WRONLY)
    setup_logging(LogLevel.DEBUG, fd=fd).close()
    os.close(fd)
    after = (list(root.handlers), root.level, log.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    assert after == before


def run_program(program: str) -> tuple[int, list[dict[str, Any]]]:
    """Run lines of Python in a process of its own, where no test tool listens to the log as well."""
    setup = "from cerberod.logs import log, setup_logging\nsetup_logging()\n"
    ended = subprocess.run([sys.executable, "-c", setup + program], capture_output=True, timeout=60, check=False)
    assert b"canary" not in ended.stderr
    return ended.returncode, [orjson.loads(line) for line in ended.stderr.splitlines()]


def test_an_error_nobody_catches_ends_as_one_line_without_its_text() -> None:
    status, [entry] = run_program("raise ValueError('can' + 'ary')")
    assert status == 1
    assert (entry["level"], entry["error"]["type"]) == ("critical", "ValueError")


def test_an_error_in_a_thread_or_a_finaliser_is_one_line_without_its_text() -> None:
    status, entries = run_program(
        "import threading\n"
        "def fail(*_): raise ValueError('can' + 'ary')\n"
        "thread = threading.Thread(target=fail)\n"
        "thread.start()\n"
        "thread.join()\n"
        "class Odd: __del__ = fail\n"
        "Odd()\n"
    )
    assert status == 0
    assert [(entry["level"], entry["error"]["type"]) for entry in entries] == [("error", "ValueError")] * 2


def test_a_wrong_format_string_is_no_error_of_whoever_logged() -> None:
    status, [entry] = run_program("log.info('wrong %d', 'canary'[:0])")
    assert status == 0
    assert entry["message"].startswith("a message that could not be formatted")
