"""The commands: what people type, and where everything they read is printed.

Each command imports what it needs when it runs: `cerberod --help`, `token new` and `call` are typed by hand and in
loops, and must not wait half a second for a daemon they do not start.

Exit codes: 0 done, 1 the call or check failed, 2 typed wrongly, 3 the outcome of a write is not known, 78 the
configuration is to be mended first, 130 interrupted.
"""

import argparse
import contextlib
import gc
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cerberod import __version__
from cerberod.grammar import AUDIT_FILTERS, CALL_TIMEOUT_S, DEFAULT_BOT_TAG, DEFAULT_URL, read_command

if TYPE_CHECKING:
    from cerberod.app import Ready
    from cerberod.client import CallFailed, Target
    from cerberod.ids import Environment
    from cerberod.rpc.registry import Method, Registry
    from cerberod.settings import Secret, Settings
    from cerberod.simulator import Simulator

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

T = TypeVar("T")

FAILED = 1
MISTYPED = 2
UNKNOWN_OUTCOME = 3
EX_CONFIG = 78
INTERRUPTED = 130
PIPE_CLOSED = 141

MAX_STDIN_BYTES = 32 << 20


class Stop(Exception):
    """The command ends here: one text for people, one exit code."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = read_command(argv)
    try:
        status = _COMMANDS[options.command](options)
        sys.stdout.flush()
        return status
    except Stop as stop:
        _warn(str(stop))
        return stop.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has gone, as `head` does. The interpreter would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


# -- the daemon --------------------------------------------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    gc.disable()  # until it is ready, see `app`: a tenth of the start went into looking for garbage that is not there
    from cerberod import app
    from cerberod.settings import Sources

    sources = Sources(sim=options.sim)
    settings = _configured(sources.load)
    try:
        return app.serve(sources, settings, tuple(options.sim_chain), _announce)
    except app.StartRefused as refusal:
        raise Stop(str(refusal), EX_CONFIG) from None


def _announce(ready: "Ready") -> None:
    """Tell the person who started the daemon how to reach it; the token of a throw-away run is told here alone."""
    lines = [f"cerberod listens at {ready.url} and {ready.http_url}"]
    if ready.control_url is not None:
        lines.append(f"the simulator takes orders at {ready.control_url}")
    if ready.throwaway_token is not None:
        token = ready.throwaway_token.reveal()
        lines += [
            f"the token of this run is {token}",
            "try it:",
            f"  wscat -c {ready.url} -H 'Authorization: Bearer {token}' -H 'X-Bot-Tag: me'",
            '  > {"jsonrpc":"2.0","id":1,"method":"session.whoami"}',
            "or:",
            f"  CERBEROD_URL={ready.url} CERBEROD_TOKEN={token} {_own_name()} call session.whoami",
        ]
    # Whoever started it may have closed its end; the daemon goes on without a reader.
    with contextlib.suppress(OSError):
        print("\n".join(lines), flush=True)


def _own_name() -> str:
    """Return how this program is typed from here: by its name alone only where the shell would find it."""
    launcher = Path(sys.executable).with_name("cerberod")
    if shutil.which("cerberod") is not None or not launcher.is_file():
        return "cerberod"
    here = Path.cwd()
    return shlex.quote(str(launcher.relative_to(here) if launcher.is_relative_to(here) else launcher))


def _stdio(options: argparse.Namespace) -> int:
    from cerberod.ids import Environment
    from cerberod.settings import load_client

    client = _configured(load_client)
    environment = Environment(options.env)
    if not options.sim and (client.url is not None or client.token is not None):
        if client.url is None or client.token is None:
            missing, given = ("URL", "TOKEN") if client.url is None else ("TOKEN", "URL")
            raise Stop(f"CERBEROD_{missing}: must be given with CERBEROD_{given}", EX_CONFIG)
        return _bridge(client.url, client.token, environment, options.bot_tag)
    gc.disable()
    from cerberod import app

    settings = _load_settings(sim=options.sim, needs_token=False)
    try:
        return app.stdio(settings, environment, options.bot_tag, tuple(options.sim_chain))
    except app.StartRefused as refusal:
        raise Stop(str(refusal), EX_CONFIG) from None


def _bridge(url: str, token: "Secret", environment: "Environment", bot_tag: str) -> int:
    import anyio

    from cerberod.settings import Limits
    from cerberod.transport.bridge import BridgeEnded, bridge
    from cerberod.transport.descriptors import claim_stdio

    try:
        anyio.run(bridge, claim_stdio(), url, token, bot_tag, environment, Limits())
    except BridgeEnded as ended:
        raise Stop(str(ended), ended.exit_code) from None
    return 0


def _sim(options: argparse.Namespace) -> int:
    import anyio

    from cerberod import console
    from cerberod.clock import SystemClock
    from cerberod.simulator import ChainFileError, SimulatorConfig, run_simulator

    config = SimulatorConfig(
        seed=options.seed,
        deribit_port=options.deribit_port,
        bybit_port=options.bybit_port,
        control_port=options.control_port,
        chains=tuple(options.sim_chain),
    )

    async def run() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with run_simulator(config, SystemClock()) as simulator:
                print(console.pairs(simulator.urls.items()))
                print("\nA daemon trades on it with these settings, and with a STATE_DIR of its own:")
                for line in _settings_for(simulator):
                    print(line)
                sys.stdout.flush()
                async for _ in signals:
                    return

    try:
        anyio.run(run)
    except ChainFileError as error:
        raise Stop(str(error), EX_CONFIG) from None
    return 0


def _settings_for(simulator: "Simulator") -> Iterator[str]:
    """Yield the settings that point a daemon at a simulator."""
    from cerberod.settings.upstreams import UPSTREAMS

    for upstream in UPSTREAMS:
        for environment, suffix in (("testnet", "TESTNET"), ("live", "LIVE")):
            name = f"{upstream.name}_{environment}"
            if name in simulator.credentials:
                yield f"{upstream.addresses[0].prefix}_{suffix}={simulator.urls[name]}"
                for key, value in zip(upstream.keys, simulator.credentials[name], strict=True):
                    yield f"{key.name}_{suffix}={value}"


# -- a call to a running daemon ----------------------------------------------------------------------------------------


def _call(options: argparse.Namespace) -> int:
    from cerberod.client import Target
    from cerberod.settings import load_client

    client = _configured(load_client)
    if client.token is None:
        raise Stop("CERBEROD_TOKEN: must be set to a token of the daemon that is called", EX_CONFIG)
    target = Target(
        client.url or DEFAULT_URL, client.token.reveal(), options.bot_tag or client.bot_tag or DEFAULT_BOT_TAG
    )
    return _ask(target, options.method, _params(options), timeout_s=options.timeout, as_json=options.json)


def _ask(target: "Target", method: str, params: dict[str, Any], *, timeout_s: float, as_json: bool) -> int:
    """Make one call, print its reply, and return the exit code that it deserves."""
    from cerberod import console
    from cerberod.client import CallFailed, call
    from cerberod.clock import SystemClock

    try:
        reply = call(target, method, params, timeout_s, SystemClock())
    except CallFailed as failed:
        return _no_reply(method, params, failed)
    if "error" in reply:
        if as_json:
            _print(console.as_json({"error": reply["error"]}))
        _warn(console.error_in_words(method, reply["error"]))
        return FAILED
    result = reply.get("result")
    _print(console.as_json(result) if as_json else console.document(result, _width()))
    return _judge(method, result)


# -- the operator's local hand -----------------------------------------------------------------------------------------


def _halt(options: argparse.Namespace) -> int:
    state = "reduce_only" if options.reduce_only else "halted"
    return _operate(options, "admin.halt", venue=options.venue, bot_tag=options.bot, state=state, reason=options.reason)


def _resume(options: argparse.Namespace) -> int:
    return _operate(options, "admin.resume", venue=options.venue, bot_tag=options.bot)


def _settle(options: argparse.Namespace) -> int:
    return _operate(
        options,
        "admin.settle_intent",
        intent=options.intent,
        bot_tag=options.bot,
        outcome=options.outcome,
        reason=options.reason,
    )


def _operate(options: argparse.Namespace, method: str, **params: str | None) -> int:
    """Call as the operator, through the door that the running daemon leaves in its state directory."""
    from cerberod.client import Target
    from cerberod.state import StateRefused, read_local_door

    settings = _load_settings(sim=options.sim, needs_token=False, admits=False)
    try:
        door = read_local_door(settings.state_dir)
    except StateRefused as refusal:
        raise Stop(str(refusal), EX_CONFIG) from None
    if door is None:
        hint = _simulated_instead(settings) or "; start it first: stops and open writes outlive a restart"
        raise Stop(f"no daemon runs on {settings.state_dir}{hint}")
    target = Target(door.url, door.token, "operator", options.env)
    given = {name: value for name, value in params.items() if value is not None}
    return _ask(target, method, given, timeout_s=CALL_TIMEOUT_S, as_json=options.json)


def may_write(method: str) -> bool:
    """Tell from a name whether it is worth half a second to look up what the method does."""
    namespace, _, tool = method.partition(".")
    return namespace not in ("session", "rpc") and not tool.startswith("get_")


def _params(options: argparse.Namespace) -> dict[str, Any]:
    """Read the params of a call, and give a write an intent, so that a lost answer can be asked for again."""
    from cerberod import arguments
    from cerberod.ids import new_intent

    words: list[str] = options.words
    method: Method | None = None
    if may_write(options.method):
        method = _methods().find(options.method)
    try:
        match words:
            case ["-"]:
                params = arguments.from_json(sys.stdin.buffer.read(MAX_STDIN_BYTES))
            case [text] if text.lstrip()[:1] in ("{", "["):
                params = arguments.from_json(text)
            case _:
                texts = arguments.split_words(words)
                if method is None and arguments.needs_schema(texts):
                    method = _methods().find(options.method)
                params = arguments.typed(texts, None if method is None else method.params.model_json_schema())
    except arguments.BadArgument as bad:
        raise Stop(str(bad), MISTYPED) from None
    if method is not None and method.effect.value == "write":
        params.setdefault("intent", new_intent())
    return params


def _no_reply(method: str, params: Mapping[str, Any], failed: "CallFailed") -> int:
    from cerberod import console

    _warn(f"{console.clean(method)} failed: {failed}")
    intent = params.get("intent")
    if not failed.sent or not may_write(method) or not isinstance(intent, str):
        return FAILED
    _warn(f"  it may have happened; {console.how_to_learn(intent)}")
    return UNKNOWN_OUTCOME


def _judge(method: str, result: object) -> int:
    """Tell in words how a write ended, unless it was confirmed."""
    from cerberod import console

    if not may_write(method) or not isinstance(result, dict):
        return 0
    words = console.outcome_in_words(method, result)
    if words is None:
        return 0
    _warn(words)
    return UNKNOWN_OUTCOME if result.get("outcome") == "unknown" else FAILED


def _methods() -> "Registry":
    from cerberod import app

    return app.methods()


def _list_methods(options: argparse.Namespace) -> int:
    from cerberod import console, reference
    from cerberod.rpc.describe import openrpc

    chosen = reference.select(_methods(), options.prefix)
    if not len(chosen):
        close = _close_names(options.prefix, [method.name for method in _methods()])
        raise Stop(f"no method begins with {options.prefix!r}{close}")
    if options.json:
        _print(console.as_json(openrpc(chosen, __version__)))
    elif chosen.find(options.prefix) is not None:
        _print(reference.page(chosen, options.prefix, _width()))
    else:
        _print(reference.overview(chosen, _width()))
    return 0


def _close_names(name: str, names: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, list(names), n=3)
    return f"; is {' or '.join(close)} meant?" if close else ""


# -- settings ----------------------------------------------------------------------------------------------------------


def _token_new(options: argparse.Namespace) -> int:
    from cerberod.settings import new_token

    _print(new_token())
    return 0


def _check(options: argparse.Namespace) -> int:
    from cerberod import console
    from cerberod.settings import SettingsError, load_settings

    try:
        settings = load_settings(sim=options.sim)
    except SettingsError as error:
        if options.json:
            problems = [{"name": each.name, "rule": each.rule} for each in error.problems]
            _print(console.as_json({"ok": False, "problems": problems, "warnings": list(error.warnings)}))
        raise Stop("\n".join([str(error), *_warnings(error.warnings)]), EX_CONFIG) from None
    rows = settings.describe()
    if options.json:
        shown = [{"group": row.group, "name": row.name, "value": row.value, "origin": str(row.origin)} for row in rows]
        _print(console.as_json({"ok": True, "settings": shown, "warnings": list(settings.warnings)}))
        return 0
    groups = dict.fromkeys(row.group for row in rows)
    left = max(len(row.name) for row in rows)
    for group in groups:
        entries = [(f"  {row.name:<{left}}", f"{row.value}  ({row.origin})") for row in rows if row.group == group]
        _print(f"{group}\n{console.pairs(entries, _width())}\n")
    _print("\n".join([*_warnings(settings.warnings), "the configuration can be used"]))
    return 0


def _migrate(options: argparse.Namespace) -> int:
    from cerberod import console
    from cerberod.ids import Environment
    from cerberod.migration import MigrationRefused, migrate

    environment = None if options.env is None else Environment(options.env)
    try:
        done = migrate(options.directory, options.to, environment=environment, force=options.force)
    except MigrationRefused as refusal:
        if options.json:
            problems = [{"name": each.name, "rule": each.rule} for each in refusal.problems]
            _print(console.as_json({"ok": False, "problems": problems}))
        raise Stop(str(refusal), EX_CONFIG) from None
    if options.json:
        told = {"ok": True, "file": str(done.target), "written": done.written, "tokens": done.tokens}
        _print(console.as_json({**told, "absent": done.absent, "left": done.left}))
        return 0
    entries = [*done.written.items(), *((name, "made new") for name in done.tokens)]
    lines = [f"written to {done.target}, readable by you alone:", console.pairs(entries, _width())]
    lines += [f"not there: {name}" for name in done.absent]
    lines += [f"left alone: {name}" for name in done.left]
    _print("\n".join([*lines, "next: cerberod check says which name feeds which environment"]))
    return 0


def _warnings(warnings: Sequence[str]) -> list[str]:
    return [f"warning: {warning}" for warning in warnings]


def _load_settings(*, sim: bool, needs_token: bool = True, admits: bool = True) -> "Settings":
    from cerberod.settings import load_settings

    return _configured(lambda: load_settings(sim=sim, needs_token=needs_token, admits=admits))


def _configured(load: Callable[[], T]) -> T:
    from cerberod.settings import SettingsError

    try:
        return load()
    except SettingsError as error:
        raise Stop("\n".join([str(error), *_warnings(error.warnings)]), EX_CONFIG) from None


# -- audit -------------------------------------------------------------------------------------------------------------

_QUERY_COLUMNS = (
    "at",  # the first column is never left out
    "seq",
    "kind",
    "environment",
    "actor",
    "bot_tag",
    "method",
    "outcome",
    "code",
    "intent",
    "params",
    "detail",
)


def _audit_query(options: argparse.Namespace) -> int:
    from cerberod import console
    from cerberod.audit.asking import BadParameter, read_query
    from cerberod.audit.query import query

    asked = {name: value for name in AUDIT_FILTERS if (value := getattr(options, name)) is not None}
    try:
        wanted = read_query(asked, None)
    except BadParameter as bad:
        raise Stop(f"--{bad.field.replace('_', '-')} {bad.rule}", MISTYPED) from None
    file = _audit_file(_load_settings(sim=options.sim, admits=False))
    try:
        page = query(file, wanted)
    except OSError as error:
        raise Stop(f"{error.filename or file}: cannot be read ({error.strerror})") from None
    if options.json:
        cursor = None if page.next is None else str(page.next)
        _print(console.as_json({"count": page.count, "records": page.records, "next": cursor}))
        return 0
    rows = [{name: record.get(name) for name in _QUERY_COLUMNS} for record in page.records]
    _print(console.table(rows, _width()))
    if page.next is not None:
        _warn(f"there is more: --cursor {page.next}")
    return 0


def _audit_verify(options: argparse.Namespace) -> int:
    from cerberod import console
    from cerberod.audit.verify import verify
    from cerberod.audit.writer import AuditRefused
    from cerberod.trading.journal import JournalRefused, read_anchors
    from cerberod.trading.records import JOURNAL_FILE, KEY_FILE, load_or_make_key

    settings = _load_settings(sim=options.sim, admits=False)
    file = _audit_file(settings)
    journal = settings.state_dir / JOURNAL_FILE
    given = settings.audit.hmac_key
    if given is None and not (settings.state_dir / KEY_FILE).exists():
        raise Stop(f"{settings.state_dir / KEY_FILE}: there is no key of the audit here, and AUDIT_HMAC_KEY is not set")
    try:
        key = load_or_make_key(settings.state_dir) if given is None else given.reveal().encode()
        # The anchors are read first: what a running daemon writes meanwhile is then more than they ask for, not less.
        report = verify(file, key, read_anchors(journal) if journal.exists() else None)
    except (AuditRefused, JournalRefused) as refusal:
        raise Stop(str(refusal)) from None
    except OSError as error:
        raise Stop(f"{error.filename or file}: cannot be read ({error.strerror})") from None
    verdict = "all is well" if report.ok else "NOT all is well"
    _print(console.as_json(report.as_dict()) if options.json else f"{file}\n{report.text()}\n{verdict}")
    return 0 if report.ok else FAILED


def _audit_file(settings: "Settings") -> Path:
    from cerberod.audit.files import day_files
    from cerberod.trading.records import JOURNAL_FILE

    file = settings.audit.file
    if file is None:
        raise Stop("the audit is switched off (AUDIT_LOG_FILE is empty): there is nothing to read")
    left = [file.exists(), settings.state_dir.joinpath(JOURNAL_FILE).exists(), file.parent.is_dir() and day_files(file)]
    if not any(left):  # with a journal, what is missing is told by comparing with it
        hint = _simulated_instead(settings) or "; nothing was recorded yet, or STATE_DIR is another one"
        raise Stop(f"{file}: there is no audit log here{hint}")
    return file


def _simulated_instead(settings: "Settings") -> str:
    """Point at the simulator's runs where those of the real venues have left nothing."""
    simulated = settings.state_dir / "sim"
    return f"; for that of the simulator, in {simulated}, add --sim" if simulated.is_dir() else ""


# -- printing ----------------------------------------------------------------------------------------------------------


def _print(text: str) -> None:
    print(text)


def _warn(text: str) -> None:
    sys.stdout.flush()
    print(f"cerberod: {text}", file=sys.stderr)


def _width() -> int | None:
    """Return how wide a line may be; None where nobody looks at a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "serve": _serve,
    "stdio": _stdio,
    "sim": _sim,
    "call": _call,
    "halt": _halt,
    "resume": _resume,
    "settle": _settle,
    "methods": _list_methods,
    "token new": _token_new,
    "check": _check,
    "migrate-v1": _migrate,
    "audit query": _audit_query,
    "audit verify": _audit_verify,
}
