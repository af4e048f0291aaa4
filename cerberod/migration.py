"""Carries the secrets of Cerbero MCP V2, one JSON file for each venue, into the `.env` of this daemon: all or nothing.

Values pass through and are shown nowhere. What is wrong is named by file, field and rule, everything at once, and then
nothing is written. The file that comes out is made whole beside its place and put there in one step, open to its owner
alone. The tokens of the old system are not carried over: two new ones are made, because a session's token now decides
between testnet and mainnet.
"""

import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from cerberod.ids import Environment
from cerberod.settings import Problem, new_token
from cerberod.settings.rules import BrokenRule
from cerberod.settings.sources import MAX_FILE_BYTES, parse_env
from cerberod.settings.upstreams import SUFFIX, UPSTREAMS, Key

FILES: Mapping[str, Mapping[str, str]] = {
    "deribit.json": {"client_id": "DERIBIT_CLIENT_ID", "client_secret": "DERIBIT_CLIENT_SECRET"},
    "bybit.json": {"api_key": "BYBIT_API_KEY", "api_secret": "BYBIT_API_SECRET"},
    "hyperliquid.json": {"wallet_address": "HYPERLIQUID_WALLET_ADDRESS", "private_key": "HYPERLIQUID_PRIVATE_KEY"},
    "alpaca.json": {"api_key_id": "ALPACA_API_KEY_ID", "secret_key": "ALPACA_SECRET_KEY"},
    "macro.json": {"fred_api_key": "FRED_API_KEY", "finnhub_api_key": "FINNHUB_API_KEY"},
    "sentiment.json": {"cryptopanic_key": "CRYPTOPANIC_KEY", "lunarcrush_key": "LUNARCRUSH_KEY"},
}
"""Which field of which old file becomes which setting."""
OLD_TOKENS = ("core.token", "observer.token")
NEW_TOKENS = ("TESTNET_TOKEN", "MAINNET_TOKEN")
_PLAIN = re.compile(r"[A-Za-z0-9_./+=:@-]+")
_KEYS: Mapping[str, Key] = {key.name: key for upstream in UPSTREAMS for key in upstream.keys}
_PAIRED = frozenset(key.name for upstream in UPSTREAMS if len(upstream.keys) > 1 for key in upstream.keys)


class MigrationRefused(Exception):
    """Nothing was written; the problems say why, without any value."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"{count}, nothing was written:", *map(str, problems)]))


@dataclass(slots=True)
class Migration:
    """What was carried over; holds names alone."""

    target: Path
    written: dict[str, str] = field(default_factory=dict)
    """For each setting the file and field that it came from."""
    tokens: list[str] = field(default_factory=list)
    """Tokens that were made."""
    absent: list[str] = field(default_factory=list)
    """Old files that are not there."""
    left: list[str] = field(default_factory=list)
    """Files of the directory that nothing was taken from."""


def migrate(directory: Path, target: Path, *, environment: Environment | None = None, force: bool = False) -> Migration:
    """Read the old secrets of a directory and write them into `target`, a `.env` file of mode 0600.

    With an environment the keys are named for it (`…_TESTNET`, `…_LIVE`) and used in no other. A target that exists is
    refused unless `force`; then its lines of the same names are replaced and all others stay. Raises MigrationRefused.
    """
    reading = _Reading(directory)
    values = reading.run()
    before = _existing(target, force, reading.problem)
    if reading.problems:
        raise MigrationRefused(reading.problems)
    suffix = "" if environment is None else f"_{SUFFIX[environment]}"
    named = {name + suffix: value for name, value in values.items()}
    given, _ = parse_env(before)
    tokens = [name for name in NEW_TOKENS if not given.get(name)]
    try:
        _replace(target, _merged(before, {**{name: new_token() for name in tokens}, **named}))
    except OSError as error:
        raise MigrationRefused([Problem(str(target), f"cannot be written ({os.strerror(error.errno or 0)})")]) from None
    sources = {name + suffix: source for name, source in reading.sources.items()}
    return Migration(target, sources, tokens, reading.absent, reading.left)


class _Reading:
    """One pass over the old directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.problems: list[Problem] = []
        self.sources: dict[str, str] = {}
        self.absent: list[str] = []
        self.left: list[str] = []

    def problem(self, name: str, rule: str) -> None:
        self.problems.append(Problem(name, rule))

    def run(self) -> dict[str, str]:
        try:
            present = sorted(entry.name for entry in self._directory.iterdir())
        except OSError as error:
            self.problem(str(self._directory), f"must be a readable directory ({os.strerror(error.errno or 0)})")
            return {}
        self.left = [name for name in present if name not in FILES and name not in OLD_TOKENS]
        self.absent = [name for name in FILES if name not in present]
        values: dict[str, str] = {}
        for name, fields in FILES.items():
            if name in present:
                values |= self._read(name, fields)
        if not values and not self.problems:
            self.problem(str(self._directory), f"must hold at least one of {', '.join(FILES)} with keys in it")
        return values

    def _read(self, name: str, fields: Mapping[str, str]) -> dict[str, str]:
        found = self._object(name)
        if found is None:
            return {}
        values: dict[str, str] = {}
        for old, setting in fields.items():
            value = found.get(old)
            where = f"{name} {old}"
            if value is None or value == "":
                if setting in _PAIRED:
                    self.problem(where, "must be given")
                continue
            if not isinstance(value, str):
                self.problem(where, "must be a string")
                continue
            rule = _KEYS[setting].rule
            try:
                rule.read(value)
            except BrokenRule as broken:
                self.problem(where, f"must be {str(broken) or rule.says}")
                continue
            values[setting] = value
            self.sources[setting] = where
        return values

    def _object(self, name: str) -> dict[str, object] | None:
        path = self._directory / name
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
                self.problem(name, f"must be a regular file of at most {MAX_FILE_BYTES} bytes")
                return None
            found = orjson.loads(path.read_bytes())
        except OSError as error:
            self.problem(name, f"must be readable ({os.strerror(error.errno or 0)})")
            return None
        except orjson.JSONDecodeError:
            self.problem(name, "must be JSON")
            return None
        if not isinstance(found, dict):
            self.problem(name, "must be a JSON object")
            return None
        return found


def _existing(target: Path, force: bool, problem: Callable[[str, str], None]) -> str:
    """Return the lines that stay."""
    try:
        status = target.lstat()
    except FileNotFoundError:
        return ""
    except OSError as error:
        problem(str(target), f"cannot be looked at ({os.strerror(error.errno or 0)})")
        return ""
    if not stat.S_ISREG(status.st_mode):
        problem(str(target), "must be a regular file or not there yet")
        return ""
    if not force:
        problem(str(target), "is there already; --force replaces the names that come over and keeps all others")
        return ""
    try:
        content = target.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        problem(str(target), "must be readable UTF-8 text")
        return ""
    for each in parse_env(content, target.name)[1]:
        problem(each.name, each.rule)
    return content


def _merged(before: str, values: Mapping[str, str]) -> str:
    kept = [line for line in before.splitlines() if line.partition("=")[0].strip() not in values]
    return "\n".join([*kept, *(f"{name}={_quoted(value)}" for name, value in values.items())]) + "\n"


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _replace(target: Path, content: str) -> None:
    # A new file has mode 0600 from its first moment; the rename makes it appear whole or not at all.
    number, name = tempfile.mkstemp(prefix=".env-", dir=target.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
