"""Who did what: reads the audit log backward, newest first, beside a daemon that writes it.

Lines are canonical, so a filter on a text member is first a search for its bytes in a whole block, and only lines that
hold them are parsed: a rare bot is found among a million records without reading them one by one. It believes the
lines; whether they are genuine is the question of `cerberod.audit.verify`.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cerberod.audit import files
from cerberod.audit.record import BadRecord, encode, parse
from cerberod.clock import iso

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000
_SLACK = timedelta(hours=2)
"""How far the wall clock may have been set back: records are in the order of writing, not quite of their times."""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What to look for; None does not restrict. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    exchange: str | None = None
    """The namespace of the method."""
    action: str | None = None
    """The method's name within its namespace."""
    bot_tag: str | None = None
    environments: frozenset[str] | None = None
    """Records of no environment, such as a start, show only without this restriction."""
    limit: int = DEFAULT_LIMIT
    cursor: int | None = None
    """`next` of the page before: only records older than that one."""

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise ValueError(f"limit is between 1 and {MAX_LIMIT}")
        if self.cursor is not None and self.cursor < 1:
            raise ValueError("cursor is the `next` of an earlier answer")
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"{name} has a time zone")
        _needles(self)  # text that cannot be written as JSON is refused here


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Records, newest first, and where the next page begins; `next` is None on the last page."""

    count: int
    records: list[dict[str, Any]]
    next: int | None


def query(path: Path, wanted: AuditQuery) -> AuditPage:
    """Answer a query from the current file and the finished days beside it. Blocks; call it in a thread."""
    found: list[dict[str, Any]] = []
    if wanted.environments == frozenset():
        return AuditPage(0, found, None)
    for record in _Search(wanted).run(path):
        if len(found) == wanted.limit:
            return AuditPage(len(found), found, found[-1]["seq"])
        found.append(record)
    return AuditPage(len(found), found, None)


class _Search:
    """One query on its way through the files."""

    def __init__(self, wanted: AuditQuery) -> None:
        self._wanted = wanted
        self._since = None if wanted.since is None else iso(wanted.since)
        self._until = None if wanted.until is None else iso(wanted.until)
        self._enough = None if wanted.since is None else iso(_less(wanted.since))
        self._too_late = None if wanted.until is None else iso(_plus(wanted.until))
        self._needles = _needles(wanted)

    def run(self, path: Path) -> Iterator[dict[str, Any]]:
        """Yield matching records, newest first."""
        with ExitStack() as opened:
            for descriptor in _newest_first(path, self._wanted, opened):
                end = files.last_newline(descriptor, os.fstat(descriptor).st_size)
                if self._wanted.cursor is not None:
                    end = _before(descriptor, end, self._wanted.cursor)
                for block in files.blocks_backward(descriptor, end):
                    began = _time_of_first(block)
                    if self._too_late is not None and began is not None and began > self._too_late:
                        continue
                    for line in self._candidates(block):
                        if (record := self._judge(line)) is not None:
                            yield record
                    if self._enough is not None and began is not None and began < self._enough:
                        return

    def _candidates(self, block: bytes) -> Iterator[bytes]:
        """Yield the lines of a block that hold every needle, the last first."""
        if not self._needles:
            yield from reversed(block[:-1].split(b"\n"))
            return
        rarest, *others = self._needles
        spans: list[tuple[int, int]] = []
        at = block.find(rarest)
        while at >= 0:
            start, end = block.rfind(b"\n", 0, at) + 1, block.index(b"\n", at)
            spans.append((start, end))
            at = block.find(rarest, end)
        for start, end in reversed(spans):
            line = block[start:end]
            if all(needle in line for needle in others):
                yield line

    def _judge(self, line: bytes) -> dict[str, Any] | None:
        """Return the record if it is wanted. A line that is no record is for `verify` to report."""
        try:
            record = parse(line)
        except BadRecord:
            return None
        wanted = self._wanted
        exchange, _, action = str(record.get("method", "")).partition(".")
        at, sequence = str(record.get("at", "")), record.get("seq")
        if (
            not isinstance(sequence, int)
            or (wanted.cursor is not None and sequence >= wanted.cursor)
            or (self._since is not None and at < self._since)
            or (self._until is not None and at >= self._until)
            or (wanted.actor is not None and record.get("actor") != wanted.actor)
            or (wanted.bot_tag is not None and record.get("bot_tag") != wanted.bot_tag)
            or (wanted.exchange is not None and exchange != wanted.exchange)
            or (wanted.action is not None and action != wanted.action)
            or (wanted.environments is not None and record.get("environment") not in wanted.environments)
        ):
            return None
        record["exchange"], record["action"] = exchange, action
        return record


def _needles(wanted: AuditQuery) -> list[bytes]:
    """Return bytes that every wanted line holds, the most telling first.

    Sound because lines are canonical; the same bytes deeper inside a record are told apart by parsing.
    """
    needles = []
    if wanted.bot_tag is not None:
        needles.append(b'"bot_tag":' + encode(wanted.bot_tag))
    if wanted.exchange and wanted.action:
        needles.append(b'"method":' + encode(f"{wanted.exchange}.{wanted.action}"))
    elif wanted.action:
        needles.append(encode("." + wanted.action)[1:])
    elif wanted.exchange:
        needles.append(b'"method":' + encode(wanted.exchange)[:-1])  # with or without a name behind it
    if wanted.actor is not None:
        needles.append(b'"actor":' + encode(wanted.actor))
    if wanted.environments is not None and len(wanted.environments) == 1:
        needles.append(b'"environment":' + encode(next(iter(wanted.environments))))
    return needles


def _newest_first(path: Path, wanted: AuditQuery, opened: ExitStack) -> Iterator[int]:
    """Open the files that may hold wanted records, newest first.

    The current file is opened before the finished days are listed: should the day turn in between, it shows up among
    them and is passed over, so that no record is missed or told twice.
    """
    current = files.open_if_there(path, opened)
    identity = None if current is None else files.identity(current)
    if current is not None:
        yield current
    for file in reversed(files.day_files(path)):
        if wanted.until is not None and file.day > _plus(wanted.until).astimezone(UTC).date():
            continue
        descriptor = files.open_if_there(file.path, opened)
        if descriptor is None or files.identity(descriptor) == identity:
            continue
        yield descriptor


def _before(descriptor: int, end: int, cursor: int) -> int:
    """Return the end of the records older than the cursor: sequences only grow, so halve."""
    low, high = 0, end  # lines that begin before `low` are older; the line at `high` is not
    while low < high:
        start = files.last_newline(descriptor, (low + high) // 2)
        line = files.line_at(descriptor, start)
        if line is None:
            break
        try:
            sequence = parse(line).get("seq")
        except BadRecord:
            return end  # cannot halve past damage; every line is judged anyway
        if isinstance(sequence, int) and sequence < cursor:
            low = start + len(line) + 1
        else:
            high = start
    return low


def _time_of_first(block: bytes) -> str | None:
    """Return the time of a block's first record; None where damage hides it, and then nothing is passed over."""
    try:
        return str(parse(block[: block.index(b"\n")])["at"])
    except (BadRecord, KeyError):
        return None


def _less(moment: datetime) -> datetime:
    utc = moment.astimezone(UTC)
    return utc - _SLACK if utc > datetime.min.replace(tzinfo=UTC) + _SLACK else utc


def _plus(moment: datetime) -> datetime:
    utc = moment.astimezone(UTC)
    return utc + _SLACK if utc < datetime.max.replace(tzinfo=UTC) - _SLACK else utc
