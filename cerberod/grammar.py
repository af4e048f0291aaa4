"""What can be typed: every command with its options, help and examples. Pure; nothing is run from here.

The parser names what was asked for in `command`, such as `audit query`; what that does is `cerberod.cli`'s business.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cerberod import __version__

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

DEFAULT_URL = "ws://127.0.0.1:9000/"
DEFAULT_BOT_TAG = "cli"
CALL_TIMEOUT_S = 40.0
"""Longer than the longest deadline a daemon keeps by default, so that its own answer comes first."""

AUDIT_FILTERS = {
    "from": "records from this ISO 8601 date or time on, such as 2026-08-22 (UTC unless it says)",
    "to": "records up to this date, the whole day, or up to this time",
    "actor": "records of this actor: testnet, mainnet or admin",
    "exchange": "records of this namespace, such as deribit",
    "action": "records of this method, with or without its namespace",
    "bot_tag": "records of this bot tag",
    "environment": "testnet or mainnet",
    "limit": "at most this many, newest first (1000)",
    "cursor": "go on where an earlier answer ended",
}


def read_command(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read a command line; what is typed wrongly is told with the usage, and exits with code 2."""
    parser = build_parser()
    options, rest = parser.parse_known_args(argv)
    if rest and not _take_late_words(options, rest):
        options.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if getattr(options, "sim_chain", ()) and not getattr(options, "sim", True):
        # A simulation that nobody named must not take the place of the real venues in silence.
        options.parser.error("--sim-chain is only for a simulation: add --sim")
    return options


def _take_late_words(options: argparse.Namespace, rest: list[str]) -> bool:
    """Accept params typed after an option, which argparse leaves over: `call METHOD --json name=value`."""
    if not hasattr(options, "words") or any(word.startswith("-") and word != "-" for word in rest):
        return False
    options.words += rest
    return True


def build_parser() -> argparse.ArgumentParser:
    """Return the whole grammar."""
    parser = argparse.ArgumentParser(
        prog="cerberod",
        description="One daemon that holds the exchange keys and serves bots, agents and their operator over JSON-RPC.",
        epilog="example: cerberod serve --sim",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cerberod {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_daemons(commands)
    _add_clients(commands)
    _add_operator(commands)
    _add_settings(commands)
    _add_audit(commands)
    return parser


def _command(commands: "Commands", name: str, does: str, *examples: str) -> argparse.ArgumentParser:
    added = commands.add_parser(
        name.rpartition(" ")[2],
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog="\n".join(["examples:" if len(examples) > 1 else "example:", *(f"  {each}" for each in examples)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    added.set_defaults(command=name, parser=added)
    return added


def _add_daemons(commands: "Commands") -> None:
    serve = _command(
        commands,
        "serve",
        "run the daemon",
        "cerberod serve --sim",
        "cerberod serve --sim --sim-chain book_summary.json",
    )
    _add_simulation(serve)
    stdio = _command(
        commands,
        "stdio",
        "speak JSON-RPC on standard input and output, for an agent that spawns this command",
        "cerberod stdio --env testnet --bot-tag my-agent --sim",
        "CERBEROD_URL=ws://127.0.0.1:9000 CERBEROD_TOKEN=… cerberod stdio --env testnet --bot-tag my-agent",
    )
    stdio.add_argument("--env", required=True, choices=("testnet", "mainnet"), help="environment of the session")
    stdio.add_argument(
        "--bot-tag", required=True, type=_bot_tag, metavar="NAME", help="name that calls are recorded under"
    )
    _add_simulation(stdio)
    sim = _command(
        commands,
        "sim",
        "run the simulated venues alone",
        "cerberod sim --seed 11 --deribit-port 7000",
    )
    sim.add_argument("--seed", type=_whole(0, 2**32 - 1), default=7, metavar="N", help="seed of the market (7)")
    for name, what in (("deribit", "simulated Deribit"), ("bybit", "simulated Bybit"), ("control", "control path")):
        help = f"port of the {what}; 0 takes a free one (0)"
        sim.add_argument(f"--{name}-port", type=_whole(0, 65535), default=0, metavar="P", help=help)
    _add_chain(sim)


def _add_simulation(command: argparse.ArgumentParser) -> None:
    command.add_argument("--sim", action="store_true", help="use simulated venues; needs no key and no network")
    _add_chain(command)


def _add_chain(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--sim-chain",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="serve this recorded Deribit book summary; once for each currency",
    )


def _add_clients(commands: "Commands") -> None:
    call = _command(
        commands,
        "call",
        "make one call to a running daemon",
        "cerberod call session.whoami",
        "cerberod call deribit.get_ticker instrument_name=BTC-PERPETUAL",
        'cerberod call deribit.get_ticker \'{"instrument_name": "BTC-PERPETUAL"}\' --json',
    )
    call.add_argument("method", metavar="METHOD", help="such as session.whoami; cerberod methods lists them")
    call.add_argument("words", nargs="*", metavar="JSON | NAME=VALUE", help="params; - reads JSON from standard input")
    call.add_argument("--timeout", type=_seconds, default=CALL_TIMEOUT_S, metavar="S", help="seconds to wait (40)")
    call.add_argument(
        "--bot-tag", type=_bot_tag, metavar="NAME", help=f"instead of CERBEROD_BOT_TAG ({DEFAULT_BOT_TAG})"
    )
    _add_json(call)
    call.epilog = (
        f"{call.epilog}\n\nCERBEROD_URL ({DEFAULT_URL}), CERBEROD_TOKEN and CERBEROD_BOT_TAG say where and as whom.\n"
        "Exit code 0: done, or confirmed; 1: failed, denied or rejected; 3: the outcome of a write is not known."
    )
    methods = _command(
        commands,
        "methods",
        "list methods, or explain one",
        "cerberod methods",
        "cerberod methods deribit.",
        "cerberod methods deribit.place_order",
    )
    methods.add_argument("prefix", nargs="?", default="", metavar="PREFIX", help="begin of a name, or a whole name")
    _add_json(methods, "the OpenRPC document of these methods")


def _add_operator(commands: "Commands") -> None:
    halt = _command(
        commands,
        "halt",
        "stop trading in one environment, for one venue, one bot, or all; cancels always pass",
        "cerberod halt --env mainnet --reason 'margin call'",
        "cerberod halt --env mainnet --bot my-bot --reduce-only",
    )
    halt.add_argument("--reduce-only", action="store_true", help="let orders pass that cannot open or grow a position")
    halt.add_argument("--reason", default="", metavar="TEXT", help="why, for the record")
    resume = _command(
        commands,
        "resume",
        "lift a stop; give the venue and the bot that it names",
        "cerberod resume --env mainnet",
        "cerberod resume --env mainnet --bot my-bot",
    )
    for command in (halt, resume):
        command.add_argument("--venue", metavar="NAME", help="one venue, such as deribit; all of them when left out")
        command.add_argument("--bot", type=_bot_tag, metavar="TAG", help="one bot; all of them when left out")
    settle = _command(
        commands,
        "settle",
        "end a write whose outcome no venue can tell, as found out by other means",
        "cerberod settle order-17 --env mainnet --bot my-bot --outcome rejected --reason 'not in the venue's history'",
    )
    settle.add_argument("intent", metavar="INTENT", help="the write's intent; cerberod call orders.list_unresolved")
    settle.add_argument("--bot", required=True, type=_bot_tag, metavar="TAG", help="the bot that asked for it")
    settle.add_argument("--outcome", required=True, choices=("confirmed", "rejected"), help="what became of it")
    settle.add_argument("--reason", required=True, metavar="TEXT", help="how this is known, for the record")
    for command in (halt, resume, settle):
        command.add_argument("--env", required=True, choices=("testnet", "mainnet"), help="environment to act in")
        _add_sim_switch(command, "act on the daemon that runs with --sim")
        _add_json(command)


def _add_settings(commands: "Commands") -> None:
    token = _command(commands, "token", "make tokens", "cerberod token new")
    kinds = token.add_subparsers(metavar="WHAT", required=True)
    _command(kinds, "token new", "print a new random token", "cerberod token new")
    check = _command(
        commands,
        "check",
        "show the whole configuration and where it comes from, or every problem in it",
        "cerberod check",
    )
    _add_sim_switch(check, "check what serve --sim would use")
    _add_json(check)
    migrate = _command(
        commands,
        "migrate-v1",
        "carry the JSON secrets of Cerbero MCP V2 into a .env file; values are never shown",
        "cerberod migrate-v1 ./secrets",
        "cerberod migrate-v1 ./secrets --env testnet --to /etc/cerberod/.env",
    )
    migrate.add_argument("directory", type=Path, metavar="DIR", help="folder with deribit.json, bybit.json and so on")
    help = "name the keys for this environment alone; else they feed both"
    migrate.add_argument("--env", choices=("testnet", "mainnet"), help=help)
    migrate.add_argument("--to", type=Path, default=Path(".env"), metavar="FILE", help="file to write (.env)")
    help = "replace these names in a file that is there already; its other lines stay"
    migrate.add_argument("--force", action="store_true", help=help)
    _add_json(migrate)


def _add_audit(commands: "Commands") -> None:
    audit = _command(commands, "audit", "read and verify the audit log", "cerberod audit verify")
    kinds = audit.add_subparsers(metavar="WHAT", required=True)
    query = _command(
        kinds,
        "audit query",
        "show who did what, newest first",
        "cerberod audit query --from 2026-08-22 --action deribit.place_order --limit 20",
        "cerberod audit query --bot-tag my-bot --json",
    )
    for name, help in AUDIT_FILTERS.items():
        query.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT", help=help)
    verify = _command(
        kinds,
        "audit verify",
        "tell whether the audit log is unaltered and complete; exit code 1 and what is wrong if not",
        "cerberod audit verify",
    )
    for command in (query, verify):
        _add_sim_switch(command, "the log of the simulator's runs, STATE_DIR/sim")
        _add_json(command)


def _add_sim_switch(command: argparse.ArgumentParser, help: str) -> None:
    command.add_argument("--sim", action="store_true", help=help)


def _add_json(command: argparse.ArgumentParser, what: str = "JSON for machines") -> None:
    command.add_argument("--json", action="store_true", help=f"print {what}")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError("must be a number of seconds from 0.1 to 3600")
    return value


def _bot_tag(text: str) -> str:
    if not (0 < len(text) <= 64 and text.isascii() and text.isprintable() and text.strip() == text):
        raise argparse.ArgumentTypeError("must be 1 to 64 printable ASCII characters, no blank at either end")
    return text
