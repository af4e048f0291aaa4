"""Where settings come from: systemd credentials, the process environment, a `.env` file; the first that has one wins.

A credential was put there for this unit by root, so that a variable inherited from somewhere cannot replace it. An
empty text counts as not given, in every source, because that is how an example file is left; only a setting that says
so keeps it. What a problem says never holds a value.
"""

import difflib
import re
import stat
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MAX_FILE_BYTES = 256 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Origin(StrEnum):
    """Which source gave a setting."""

    CREDENTIAL = "systemd credential"
    ENVIRONMENT = "environment"
    ENV_FILE = ".env"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Problem:
    """One setting that cannot be used, and the rule it breaks. Never holds the value."""

    name: str
    rule: str

    def __str__(self) -> str:
        return f"{self.name}: {self.rule}"


@dataclass(frozen=True, slots=True)
class Given:
    """The text of one setting and where it came from."""

    text: str = field(repr=False)
    origin: Origin


@dataclass(slots=True)
class Gathered:
    """Everything the sources said."""

    given: dict[str, Given] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def gather(
    environ: Mapping[str, str],
    env_file: Path | None,
    *,
    known: Mapping[str, bool],
    secret: Callable[[str], bool],
    own: Callable[[str], bool],
) -> Gathered:
    """Read all sources. `known` maps each setting to whether an empty text is a value of it."""
    found = Gathered()
    directory = environ.get("CREDENTIALS_DIRECTORY")
    layers = (
        (Origin.CREDENTIAL, _read_credentials(Path(directory), known, found) if directory else {}),
        (Origin.ENVIRONMENT, {name: text for name, text in environ.items() if name in known}),
        (Origin.ENV_FILE, _read_env_file(env_file, secret, found) if env_file else {}),
    )
    for origin, texts in layers:
        for name, text in texts.items():
            if name not in known:
                found.warnings.append(_unknown(name, origin, known))
            elif text or known[name]:
                before = found.given.setdefault(name, Given(text, origin))
                if before.origin is not origin and before.text != text:
                    found.warnings.append(f"{name}: given as {before.origin} and in {origin}; the first is used")
    found.warnings.extend(
        _unknown(name, Origin.ENVIRONMENT, known) for name in environ if own(name) and name not in known
    )
    return found


def forget(environ: MutableMapping[str, str], secret: Callable[[str], bool]) -> None:
    """Take the secrets out of an environment, so that no child process inherits them."""
    for name in [name for name in environ if secret(name)]:
        del environ[name]


def _unknown(name: str, origin: Origin, known: Mapping[str, bool]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"{name}: no setting has this name ({origin})" + (f"; is {close[0]} meant?" if close else "")


def _read_credentials(directory: Path, known: Mapping[str, bool], found: Gathered) -> dict[str, str]:
    texts: dict[str, str] = {}
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        found.problems.append(Problem("CREDENTIALS_DIRECTORY", "must be a readable directory"))
        return texts
    for entry in entries:
        text = _read_credential(entry, found) if entry.name in known else ""
        if text is not None:
            texts[entry.name] = text
    return texts


def _read_credential(path: Path, found: Gathered) -> str | None:
    rule = None
    text = ""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            rule = "its credential must be a regular file"
        elif status.st_mode & stat.S_IRWXO:
            rule = "its credential file must not be open to other users (chmod 0400)"
        elif status.st_size > MAX_FILE_BYTES:
            rule = "its credential file is too large"
        else:
            text = path.read_text("utf-8").removesuffix("\n").removesuffix("\r")
            if not text:
                rule = "its credential file must not be empty"
            elif re.search(r"[\x00-\x1f\x7f]", text):
                rule = "its credential must be a single line of text"
    except UnicodeDecodeError:
        rule = "its credential file must be UTF-8 text"
    except OSError:
        rule = "its credential file must be readable"
    if rule is None:
        return text
    found.problems.append(Problem(path.name, rule))
    return None


def _read_env_file(path: Path, secret: Callable[[str], bool], found: Gathered) -> dict[str, str]:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError:
        found.problems.append(Problem(path.name, "must be readable"))
        return {}
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
        found.problems.append(Problem(path.name, f"must be a regular file of at most {MAX_FILE_BYTES} bytes"))
        return {}
    try:
        content = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        found.problems.append(Problem(path.name, "must be UTF-8 text"))
        return {}
    except OSError:
        found.problems.append(Problem(path.name, "must be readable"))
        return {}
    texts, problems = parse_env(content, path.name)
    found.problems.extend(problems)
    if status.st_mode & stat.S_IRWXO and any(text and secret(name) for name, text in texts.items()):
        found.warnings.append(f"{path.name}: holds secrets and is open to other users; chmod 600 it")
    return texts


def parse_env(content: str, file: str = ".env") -> tuple[dict[str, str], list[Problem]]:
    """Read `NAME=VALUE` lines; nothing is expanded and nothing guessed.

    A value is taken as it stands without the blanks around it, or stands in single or double quotes (in double quotes
    a backslash makes the next quote or backslash plain). `#` starts a comment at the start of a line or after a blank.
    """
    texts: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    for number, raw in enumerate(content.split("\n"), 1):
        line = raw.strip(" \t\r")
        if not line or line.startswith("#"):
            continue
        name, equals, rest = line.partition("=")
        name = name.rstrip(" \t")
        where = f"{file} line {number}"
        if not equals or not _NAME.fullmatch(name):
            problems.append(Problem(where, "must be NAME=VALUE, a comment or empty"))
            continue
        value = _read_value(rest.lstrip(" \t"))
        if value is None:
            problems.append(
                Problem(where, f"the value of {name} has an open quote, text after a quote, or control characters")
            )
        elif name in lines:
            problems.append(Problem(where, f"{name} is already given in line {lines[name]}"))
        else:
            texts[name] = value
        lines.setdefault(name, number)
    return texts, problems


def _read_value(rest: str) -> str | None:
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", rest):
        return None
    quoted = re.fullmatch(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")(?:[ \t]+#.*)?""", rest)
    if quoted:
        single, double = quoted.groups()
        return single if single is not None else re.sub(r'\\(["\\])', r"\1", double)
    if rest.startswith(("'", '"')):
        return None
    return re.split(r"(?:^|[ \t])#", rest, maxsplit=1)[0].rstrip(" \t")
