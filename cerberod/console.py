"""What people read on a terminal: tables, blocks of names and values, errors and outcomes in words.

Pure: values in, text out. It knows the shapes of results and errors on the wire, but no method, no socket and no
terminal; the width it may use is an argument, and None stands for a pipe, which takes everything. Whatever came from
elsewhere is escaped, so that no text of a venue moves a cursor.
"""

import re
import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from cerberod.errors import Code

NULL = "-"
GAP = "  "
LEAST_CUT = 24
"""A column of text is not cut below this; it is rather left out."""
MAX_DEPTH = 3
"""Objects further inside a result are for machines."""

_NUMERIC = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NAMED = 6

Row = Mapping[str, Any]


def clean(text: str) -> str:
    """Escape everything that a terminal would not show as one visible character."""
    return text if text.isprintable() else "".join(each if each.isprintable() else _escape(each) for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def cell(value: object) -> str:
    """Write one value on one line."""
    match value:
        case None:
            return NULL
        case bool():
            return "true" if value else "false"
        case float():
            return _float(value)
        case str():
            return clean(value)
        case dict():
            return " ".join(f"{clean(str(name))}={cell(inner)}" for name, inner in value.items()) or NULL
        case list() | tuple():
            return ", ".join(map(cell, value)) or NULL
        case _:
            return clean(str(value))


def _float(value: float) -> str:
    """Write a float in plain digits where that is readable, without the dust of binary fractions."""
    if abs(value) < 1e15 and value.is_integer():
        return str(int(value))
    text = f"{value:.12g}"
    if "e" in text and 1e-9 <= abs(value) < 1e15:
        return f"{value:.15f}".rstrip("0")
    return text


def document(value: object, width: int | None = None) -> str:
    """Lay out a whole result: first its single values, then each list under its name."""
    if not isinstance(value, dict):
        return _section(value, width)
    outline = _Outline()
    outline.take("", value)
    parts = [pairs(outline.singles, width)] if outline.singles else []
    parts += [f"{name}\n{_section(entries, width, indent=GAP)}" for name, entries in outline.lists]
    return "\n\n".join(parts) or "nothing"


@dataclass(slots=True)
class _Outline:
    """The leaves of a nested object under dotted names."""

    singles: list[tuple[str, object]] = field(default_factory=list)
    lists: list[tuple[str, list[Any]]] = field(default_factory=list)

    def take(self, prefix: str, value: Mapping[str, Any], depth: int = 1) -> None:
        for name, inner in value.items():
            path = f"{prefix}{clean(name)}"
            if isinstance(inner, dict) and inner and depth == MAX_DEPTH:
                self.singles.append((path, f"({len(inner)} more inside, with --json)"))
            elif isinstance(inner, dict) and inner:
                self.take(f"{path}.", inner, depth + 1)
            elif isinstance(inner, list) and inner:
                self._take_list(path, inner)
            else:
                self.singles.append((path, "none" if inner == [] or inner == {} else inner))

    def _take_list(self, path: str, entries: list[Any]) -> None:
        if any(isinstance(each, dict | list) for each in entries):
            self.lists.append((f"{path} ({len(entries)})", entries))
        else:
            self.singles.append((path, entries))


def _section(value: object, width: int | None, indent: str = "") -> str:
    room = None if width is None else max(20, width - len(indent))
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        text = table(value, room)
    elif isinstance(value, list) and value and all(isinstance(each, list) for each in value):
        text = _aligned([[cell(item) for item in row] for row in value])
    elif isinstance(value, list):
        text = "\n".join(map(cell, value)) or "none"
    else:
        text = cell(value)
    return textwrap.indent(text, indent)


def pairs(entries: Iterable[tuple[str, object]], width: int | None = None) -> str:
    """Write names and values, one each line, values aligned and wrapped under themselves."""
    texts = [(name, cell(value)) for name, value in entries]
    left = max((len(name) for name, _ in texts), default=0)
    lines = []
    for name, text in texts:
        head = f"{name:<{left}}{GAP}"
        room = None if width is None else max(20, width - len(head))
        wrapped = [text] if room is None or len(text) <= room else _wrap(text, room)
        lines.append(f"\n{' ' * len(head)}".join([head + wrapped[0], *wrapped[1:]]).rstrip())
    return "\n".join(lines)


def _wrap(text: str, room: int) -> list[str]:
    return textwrap.wrap(text, room, break_on_hyphens=False) or [text]


def table(rows: Sequence[Row], width: int | None = None) -> str:
    """Write objects as a table: a heading, numbers to the right.

    Where not all columns fit, a single row is written as names and values. Of more rows, what is empty goes first, then
    what is the same in every row is told once above the table; then long texts are cut, and at last the widest columns,
    which are digests and labels more often than not, are left out by name.
    """
    if not rows:
        return "none"
    grid = _Grid.of(rows)
    if width is None or grid.width <= width:
        return grid.text()
    if len(rows) == 1:
        return pairs(rows[0].items(), width)
    grid.drop_empty(width)
    shared = grid.drop_shared(width)
    left_out = grid.squeeze(width)
    notes = [] if not shared else ["in every row: " + ", ".join(f"{name}={value}" for name, value in shared)]
    lines = [line for note in notes for line in _wrap(note, width)] + [grid.text()]
    if left_out:
        names = ", ".join(left_out[:_NAMED]) + (", …" if len(left_out) > _NAMED else "")
        lines += _wrap(f"({len(left_out)} more with --json: {names})", width)
    return "\n".join(lines)


@dataclass(slots=True)
class _Grid:
    """Columns of a table while it is decided which of them fit."""

    columns: dict[str, list[str]]
    nulls: set[str]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "_Grid":
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {clean(name): [cell(row.get(name)) for row in rows] for name in names}
        nulls = {clean(name) for name in names if all(row.get(name) is None for row in rows)}
        return cls(columns, nulls)

    @property
    def width(self) -> int:
        return sum(map(self._size, self.columns)) + len(GAP) * (len(self.columns) - 1)

    def _size(self, name: str) -> int:
        return max(len(name), *map(len, self.columns[name]))

    def drop_empty(self, width: int) -> None:
        """Forget columns of nothing but nulls."""
        for name in list(self.columns):
            if self.width > width and name in self.nulls and len(self.columns) > 1:
                del self.columns[name]

    def drop_shared(self, width: int) -> list[tuple[str, str]]:
        """Take out columns that say the same in every row."""
        shared = []
        for name, texts in list(self.columns.items()):
            if self.width > width and len(set(texts)) == 1 and len(self.columns) > 1:
                shared.append((name, texts[0]))
                del self.columns[name]
        return shared

    def squeeze(self, width: int) -> list[str]:
        """Cut the widest column if that is enough, else leave it out; never the first. Return what was left out."""
        left_out = []
        order = list(self.columns)
        while self.width > width:
            name = max(self.columns, key=self._size)
            room = width - (self.width - self._size(name))
            if room >= max(LEAST_CUT, len(name)) and not _is_numeric(self.columns[name]):
                self.columns[name] = [_cut(text, room) for text in self.columns[name]]
                break
            droppable = list(self.columns)[1:]
            if not droppable:
                break
            left_out.append(max(droppable, key=self._size))
            del self.columns[left_out[-1]]
        return sorted(left_out, key=order.index)

    def text(self) -> str:
        return _aligned([list(self.columns), *zip(*self.columns.values(), strict=True)], headed=True)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _aligned(lines: Sequence[Sequence[str]], *, headed: bool = False) -> str:
    """Align columns; a column of nothing but numbers stands to the right."""
    count = max(map(len, lines))
    full = [[*line, *[""] * (count - len(line))] for line in lines]
    columns = list(zip(*full, strict=True))
    sizes = [max(map(len, column)) for column in columns]
    right = [_is_numeric(column[1:] if headed else column) for column in columns]
    return "\n".join(
        GAP.join(
            text.rjust(size) if to_right else text.ljust(size)
            for text, size, to_right in zip(line, sizes, right, strict=True)
        ).rstrip()
        for line in full
    )


def _is_numeric(texts: Sequence[str]) -> bool:
    known = [text for text in texts if text not in (NULL, "")]
    return bool(known) and all(_NUMERIC.fullmatch(text) for text in known)


_NEXT: Mapping[Code, str] = {
    Code.METHOD_NOT_FOUND: "cerberod methods lists what there is",
    Code.INVALID_PARAMS: "cerberod methods {method} explains the parameters",
    Code.INTERNAL_ERROR: "look for the request id in the daemon's log",
    Code.NOT_ALLOWED: "the token of this session does not give the scope; use one that does",
    Code.NOT_READY: "the daemon is starting; call again when /health tells phase ready",
    Code.SHUTTING_DOWN: "the daemon is stopping; call again when it is back",
    Code.REQUEST_TOO_BIG: "send less in one call",
    Code.REPLY_TOO_BIG: "ask for less: a narrower range or a smaller limit",
    Code.BUSY: "call again in a moment",
    Code.OVER_BUDGET: "call again later, and less often",
    Code.VENUE_DOWN: "call again when /health/ready shows the venue healthy",
    Code.INTENT_REUSED: "repeat the first call exactly to hear its outcome, or take a new intent",
    Code.READ_ONLY: "the daemon takes no writes now; /health/ready tells why",
    Code.NOT_RECORDABLE: "make room on the disk that holds STATE_DIR or mend it; reads go on meanwhile",
    Code.VENUE_REFUSED: "the venue's documentation explains its code",
    Code.BAD_VENUE_DATA: "look for the request id in the daemon's log; the venue may have changed its answers",
    Code.DEADLINE_PASSED: "call again; the venue may be slow",
    Code.NO_KEYS: "give the daemon keys of this venue for this environment; cerberod check tells which names feed it",
    Code.NOT_CONFIGURED: "give the daemon this provider's key; cerberod check tells its name",
}
_TOLD_APART = ("problems", "problem_count", "request_id")


def error_in_words(method: str, error: Mapping[str, Any]) -> str:
    """Tell an error reply: what failed, each problem, the rest of its data, the request id, what to do next."""
    code = error.get("code")
    data = error.get("data")
    data = data if isinstance(data, dict) else {}
    lines = [f"{clean(method)} failed: {cell(error.get('message'))} ({cell(code)})"]
    problems = data.get("problems", [])
    lines += [_reason(each) for each in problems]
    untold = data.get("problem_count", len(problems)) - len(problems)
    if untold > 0:
        lines.append(f"  … and {untold} more")
    lines += [f"  {clean(name)}: {cell(value)}" for name, value in data.items() if name not in _TOLD_APART]
    if "request_id" in data:
        lines.append(f"  request id: {cell(data['request_id'])}")
    advice = _NEXT.get(code) if isinstance(code, int) else None  # type: ignore[call-overload]  # a Code is an int
    if advice is not None:
        lines.append(f"  next: {advice.format(method=clean(method))}")
    return "\n".join(lines)


def outcome_in_words(method: str, result: Mapping[str, Any]) -> str | None:
    """Tell a write that did not end as confirmed, and what to do now; None for everything else."""
    intent = cell(result.get("intent"))
    match result.get("outcome"):
        case "denied":
            head = f"{clean(method)} was denied by the daemon: nothing was sent"
            after = f"the intent {intent} is not used up: call again with it once that is mended"
        case "rejected":
            code = result.get("venue_code")
            by = "the venue" if code is None else f"the venue (its code {cell(code)})"
            head = f"{clean(method)} was rejected by {by}: it had no effect"
            after = f"the intent {intent} is used up: a corrected call needs a new one"
        case "unknown":
            head = f"{clean(method)} may or may not have happened: no usable answer came"
            after = f"{how_to_learn(result.get('intent'))}; never send it under another intent before that"
        case _:
            return None
    lines = [head, *map(_reason, result.get("reasons") or []), f"  next: {after}"]
    if result.get("recorded") is False:
        lines.append("  this outcome could not be recorded; the daemon takes no writes until it can record again")
    return "\n".join(lines)


def how_to_learn(intent: object) -> str:
    """Say how the outcome of a write is learned that is not known now."""
    return f"cerberod call orders.get_outcome intent={shlex.quote(cell(intent))} tells when it is known"


def _reason(reason: Mapping[str, Any]) -> str:
    nearest = reason.get("nearest")
    hint = "" if nearest is None else f" (nearest valid value: {cell(nearest)})"
    return f"  {cell(reason.get('field'))}: {cell(reason.get('rule'))}{hint}"


def as_json(value: object) -> str:
    """Write a value for machines, indented so that people can read it too."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
