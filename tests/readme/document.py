"""The README as data: its fenced blocks, its tables, and the parts that are written by a program. Pure.

A fence's info string says how the block is proved true: `console NAME` is typed into a shell, `text wscat` into a
WebSocket session, `python bot` is a file of this folder, `text tree` is the repository. Every other block stands under
a comment `<!-- not run: reason -->`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"

_NOT_RUN = re.compile(r"<!-- not run: .+ -->")
_GENERATED = "<!-- generated: {} -->\n", "<!-- end of {} -->"


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    info: str
    text: str
    line: int
    excused: bool
    """Whether a comment above it says why it is not run."""


def text() -> str:
    return README.read_text(encoding="utf-8")


def blocks() -> list[Block]:
    return list(_blocks(text().splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    start: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
        else:
            above = next((lines[i] for i in range(start - 1, -1, -1) if lines[i].strip()), "")
            body = "\n".join(lines[start + 1 : number])
            yield Block(lines[start][3:].strip(), body, start + 1, _NOT_RUN.fullmatch(above) is not None)
            start = None
    assert start is None, f"the fence of line {start} has no end"


def named(info: str) -> list[Block]:
    """Return the blocks with an info string, at least one."""
    found = [block for block in blocks() if block.info == info]
    assert found, f"no block {info!r} in the README"
    return found


def section(heading: str) -> str:
    """Return the text under a heading, up to the next one of any level."""
    _, found, rest = text().partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    return re.split(r"\n#+ ", rest, maxsplit=1)[0]


def rows(heading: str) -> list[list[str]]:
    """Return the cells of every table row under a heading, without the head."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row, after in zip(cells, [*cells[1:], [""]], strict=True) if not _rule(row) and not _rule(after)]


def _rule(row: list[str]) -> bool:
    return all(set(cell) <= set("-:") and cell for cell in row)


def with_generated(document: str, parts: Mapping[str, str]) -> str:
    """Return the document with every generated part as it should be; each name stands exactly once."""
    for name, part in parts.items():
        begin, end = (mark.format(name) for mark in _GENERATED)
        assert document.count(begin) == document.count(end) == 1, f"the marks of {name} stand once each"
        before, _, rest = document.partition(begin)
        _, _, after = rest.partition(end)
        document = f"{before}{begin}{part}{end}{after}"
    return document
