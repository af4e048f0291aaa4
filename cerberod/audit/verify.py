"""Whether the audit log is what was written, and whether it is all of it: two questions, answered apart.

Integrity needs only the files and the key: every record is sealed, and continues from the one before it, across files.
Completeness needs the journal's anchors: the head it has seen, and the ends of each day's file. A cut tail or a missing
file leaves a perfect chain behind, and shows only there.

Read the anchors before the files: a running daemon anchors a record only after it is in its file.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cerberod.audit import files
from cerberod.audit.record import GENESIS, Anchor, Anchors, BadRecord, Sealed, claimed, open_line

LISTED = 100
"""How many problems of each sort are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where. `line` counts from 1; `sequence` is None where it cannot be told."""

    about: Literal["integrity", "completeness"]
    file: str
    line: int | None
    sequence: int | None
    what: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.what}" if self.sequence is None else f"{place}: record {self.sequence} {self.what}"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verifying found."""

    files: int
    records: int
    """Lines whose seal holds."""
    first: int | None
    last: int | None
    integrity: tuple[Problem, ...]
    completeness: tuple[Problem, ...]
    integrity_count: int
    completeness_count: int
    anchored: bool
    """Whether there were anchors to compare with; without them completeness was not checked."""

    @property
    def ok(self) -> bool:
        return not self.integrity_count and not self.completeness_count

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "ok": self.ok,
            "files": self.files,
            "records": self.records,
            "first": self.first,
            "last": self.last,
            "integrity": _section(self.integrity, self.integrity_count, "ok"),
            "completeness": _section(
                self.completeness, self.completeness_count, "ok" if self.anchored else "not checked"
            ),
        }

    def text(self) -> str:
        """Return the report for people."""
        numbers = f", sequence {self.first} to {self.last}" if self.first is not None else ""
        lines = [f"{_many(self.records, 'record')} in {_many(self.files, 'file')}{numbers}"]
        intact = "every record is sealed and continues from the one before it"
        lines += _lines("integrity", self.integrity, self.integrity_count, intact)
        whole = (
            "everything the journal has seen is there" if self.anchored else "not checked, no journal to compare with"
        )
        lines += _lines("completeness", self.completeness, self.completeness_count, whole)
        return "\n".join(lines)


def verify(path: Path, key: bytes, anchors: Anchors | None) -> VerifyReport:
    """Check the current file and the finished days beside it. Blocks for some seconds for each million records."""
    return _Verifier(path, key, anchors).run()


class _Verifier:
    """One pass over the files, oldest first."""

    def __init__(self, path: Path, key: bytes, anchors: Anchors | None) -> None:
        self._path = path
        self._key = key
        self._anchors = anchors
        self._found: dict[str, list[Problem]] = {"integrity": [], "completeness": []}
        self._counts = {"integrity": 0, "completeness": 0}
        self._records = 0
        self._first: int | None = None
        self._last: int | None = None
        self._previous: str | None = None
        """The hash the next record has to name; None where damage leaves it open."""
        self._expected: int | None = None
        self._landmarks = _landmarks(anchors)

    def run(self) -> VerifyReport:
        names: set[str] = set()
        with ExitStack() as opened:
            for name, descriptor in _oldest_first(self._path, opened):
                names.add(name)
                self._read(name, descriptor)
        if self._anchors is not None:
            self._compare(self._anchors, names)
        integrity, completeness = self._found["integrity"], self._found["completeness"]
        return VerifyReport(
            files=len(names),
            records=self._records,
            first=self._first,
            last=self._last,
            integrity=tuple(integrity),
            completeness=tuple(completeness),
            integrity_count=self._counts["integrity"],
            completeness_count=self._counts["completeness"],
            anchored=self._anchors is not None,
        )

    def _read(self, name: str, descriptor: int) -> None:
        for number, (line, whole) in enumerate(files.lines_forward(descriptor), start=1):
            if whole:
                self._line(name, number, line)
            else:
                told = claimed(line)
                sequence = self._expected if told is None else told.sequence
                self._problem("integrity", name, number, sequence, "is torn: it has no end")
                self._lose_track(told)

    def _line(self, name: str, number: int, line: bytes) -> None:
        try:
            sealed = open_line(line, self._key)
        except BadRecord as problem:
            told = claimed(line)
            sequence = self._expected if told is None else told.sequence
            self._problem("integrity", name, number, sequence, str(problem))
            self._lose_track(told)
            return
        self._records += 1
        if self._first is None:
            self._first = sealed.sequence
            self._check_beginning(name, sealed)
        elif self._expected is not None and sealed.sequence != self._expected:
            self._problem("integrity", name, number, sealed.sequence, self._jump(sealed.sequence))
        elif self._previous is not None and sealed.previous != self._previous:
            self._problem("integrity", name, number, sealed.sequence, "does not continue from the record before it")
        self._landmarks.seen(sealed)
        self._last, self._previous, self._expected = sealed.sequence, sealed.hash, sealed.sequence + 1

    def _jump(self, sequence: int) -> str:
        assert self._expected is not None
        if sequence < self._expected:
            return f"is out of order: record {self._expected} belongs here"
        return f"follows a gap: {_range(self._expected, sequence - 1)} missing before it"

    def _lose_track(self, told: Sealed | None) -> None:
        """After a bad line: the next one is judged by its own seal, and by its number where that can be told."""
        self._previous = None
        if self._expected is not None:
            self._expected += 1
        elif told is not None and self._first is None:
            self._expected = told.sequence + 1

    def _check_beginning(self, name: str, sealed: Sealed) -> None:
        """The first record left: is what comes before it known to have been removed on purpose?"""
        if self._expected is not None:
            return  # a damaged record stood before it and has been reported
        if (sealed.sequence, sealed.previous) == (1, GENESIS):
            return
        if self._anchors is None:
            return
        ends = {(span.last.sequence, span.last.hash) for span in self._anchors.files}
        if (sealed.sequence - 1, sealed.previous) not in ends:
            self._problem("completeness", name, 1, sealed.sequence, "is the first: nothing before it is left or known")

    def _compare(self, anchors: Anchors, present: set[str]) -> None:
        for span in anchors.files:
            if span.removed:
                continue
            what = _range(span.first_sequence, span.last.sequence)
            if span.name not in present:
                self._problem("completeness", span.name, None, None, f"the file is missing: {what} gone")
            elif not self._landmarks.has(span.last):
                self._problem("completeness", span.name, None, span.last.sequence, "which ended the file is missing")
        head = anchors.head
        if head.sequence and not self._landmarks.has(head):
            if self._last is None or self._last < head.sequence:
                begin = 1 if self._last is None else self._last + 1
                what = f"the tail is missing: {_range(begin, head.sequence)} gone, the journal has seen {head.sequence}"
                if anchors.kept_from is not None and begin >= anchors.kept_from:
                    what += " and keeps what is missing; the next start puts it back"
                self._problem("completeness", self._path.name, None, None, what)
            else:
                self._problem("completeness", self._path.name, None, head.sequence, "is not the one the journal saw")

    def _problem(
        self,
        about: Literal["integrity", "completeness"],
        name: str,
        line: int | None,
        sequence: int | None,
        what: str,
    ) -> None:
        self._counts[about] += 1
        if len(self._found[about]) < LISTED:
            self._found[about].append(Problem(about, name, line, sequence, what))


def _oldest_first(path: Path, opened: ExitStack) -> Iterator[tuple[str, int]]:
    """Open the files. The current one comes first of all, so that a day that turns meanwhile loses nothing."""
    current = files.open_if_there(path, opened)
    identity = None if current is None else files.identity(current)
    for file in files.day_files(path):
        descriptor = files.open_if_there(file.path, opened)
        if descriptor is not None and files.identity(descriptor) != identity:
            yield file.path.name, descriptor
    if current is not None:
        yield path.name, current


class _Landmarks:
    """The records that anchors name, ticked off as they are met."""

    def __init__(self, wanted: Iterator[Anchor]) -> None:
        self._wanted = {anchor.sequence: anchor for anchor in wanted}
        self._met: set[Anchor] = set()

    def seen(self, sealed: Sealed) -> None:
        if sealed.sequence in self._wanted:
            self._met.add(Anchor(sealed.sequence, sealed.hash))

    def has(self, anchor: Anchor) -> bool:
        return anchor in self._met


def _landmarks(anchors: Anchors | None) -> _Landmarks:
    def named() -> Iterator[Anchor]:
        if anchors is not None:
            yield anchors.head
            yield from (span.last for span in anchors.files)

    return _Landmarks(named())


def _many(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _range(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"


def _section(problems: tuple[Problem, ...], count: int, otherwise: str) -> dict[str, Any]:
    listed = [{"file": p.file, "line": p.line, "sequence": p.sequence, "what": p.what} for p in problems]
    return {"status": "broken" if count else otherwise, "count": count, "problems": listed}


def _lines(about: str, problems: tuple[Problem, ...], count: int, otherwise: str) -> list[str]:
    if not count:
        return [f"{about}: {otherwise}"]
    more = [f"  … and {count - len(problems)} more"] if count > len(problems) else []
    return [
        f"{about}: {count} {'problem' if count == 1 else 'problems'}",
        *(f"  {problem}" for problem in problems),
        *more,
    ]
