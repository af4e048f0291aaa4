"""Whatever was written, and whatever one change is made to it afterwards: verify knows. `faults.md` P5.

The log is written by the real writer, into real files.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberod.audit.query import AuditQuery, query
from cerberod.audit.record import Anchors, AuditEvent, EventKind
from cerberod.audit.verify import verify
from cerberod.audit.writer import AuditLog
from tests.support.clock import ManualClock
from tests.support.records import KEY, lines_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
EVENTS = st.builds(
    AuditEvent,
    kind=st.sampled_from(EventKind),
    environment=st.sampled_from([None, "testnet", "mainnet"]),
    actor=st.sampled_from(["testnet", "mainnet", "admin"]),
    bot_tag=st.sampled_from(["owl", "ow", 'o"l', "größe"]),
    method=st.sampled_from(["", "deribit.place_order", "deribit.get_ticker", "bybit.place_order", "session.ping"]),
    params=st.none() | st.dictionaries(TEXT, PLAIN, max_size=3),
    detail=st.none() | st.dictionaries(st.sampled_from(["bot_tag", "method", "actor"]), PLAIN, max_size=2),
)
LOGS = st.lists(st.tuples(EVENTS, st.integers(-3, 30)), min_size=1, max_size=25)
"""Events, and the hours the wall clock moves after each."""


@dataclass(frozen=True)
class Written:
    path: Path
    anchors: Anchors
    events: list[AuditEvent]


@contextmanager
def written(log: list[tuple[AuditEvent, int]]) -> Iterator[Written]:
    with tempfile.TemporaryDirectory() as folder:
        clock, path = ManualClock(), Path(folder) / "audit.jsonl"
        audit = AuditLog.open(path, KEY, clock, backup_days=3650)
        for event, hours in log:
            audit.append([event])
            clock.set_wall(clock.now() + timedelta(hours=hours))
        audit.sync()
        anchors = Anchors(audit.head, tuple(audit.take_closed()))
        audit.close()
        yield Written(path, anchors, [event for event, _ in log])


def all_files(written: Written) -> list[Path]:
    return sorted(written.path.parent.iterdir())


@pytest.mark.promise("P5")
@given(log=LOGS)
@settings(deadline=None, max_examples=60)
def test_what_was_written_verifies_and_is_found_again(log: list[tuple[AuditEvent, int]]) -> None:
    with written(log) as audit:
        report = verify(audit.path, KEY, audit.anchors)
        assert report.ok, report.text()
        assert report.records == len(audit.events)
        found = query(audit.path, AuditQuery()).records
        assert [record["kind"] for record in found] == [event.kind.value for event in reversed(audit.events)]


@pytest.mark.promise("P5")
@given(log=LOGS, data=st.data())
@settings(deadline=None, max_examples=100)
def test_one_flipped_bit_is_seen_without_any_anchor(log: list[tuple[AuditEvent, int]], data: st.DataObject) -> None:
    with written(log) as audit:
        file = data.draw(st.sampled_from(all_files(audit)))
        content = bytearray(file.read_bytes())
        if not content:
            return
        place = data.draw(st.integers(0, len(content) * 8 - 1))
        content[place // 8] ^= 1 << place % 8
        file.write_bytes(content)
        assert verify(audit.path, KEY, None).integrity_count


@pytest.mark.promise("P5")
@given(log=LOGS, data=st.data())
@settings(deadline=None, max_examples=100)
def test_lines_removed_repeated_or_moved_are_seen_with_the_anchor(
    log: list[tuple[AuditEvent, int]], data: st.DataObject
) -> None:
    with written(log) as audit:
        file = data.draw(st.sampled_from(all_files(audit)))
        lines = lines_of(file)
        if not lines:
            return
        first = data.draw(st.integers(0, len(lines) - 1))
        last = data.draw(st.integers(first, len(lines) - 1))
        change = data.draw(st.sampled_from(["remove", "repeat", "move", "cut inside"]))
        part = lines[first : last + 1]
        match change:
            case "remove":
                altered = lines[:first] + lines[last + 1 :]
            case "repeat":
                altered = lines[: last + 1] + part + lines[last + 1 :]
            case "move":
                altered = lines[:first] + lines[last + 1 :] + part
            case _:
                altered = [*lines[:first], lines[first][: data.draw(st.integers(1, len(lines[first]) - 1))]]
        file.write_bytes(b"".join(altered))
        assert verify(audit.path, KEY, audit.anchors).ok == (altered == lines)


@pytest.mark.promise("P5")
@given(
    log=LOGS,
    wanted=st.fixed_dictionaries(
        {},
        optional={
            "bot_tag": st.sampled_from(["owl", "ow", 'o"l', "größe"]),
            "actor": st.sampled_from(["testnet", "mainnet"]),
            "exchange": st.sampled_from(["deribit", "bybit", "session", ""]),
            "action": st.sampled_from(["place_order", "order", ""]),
            "environments": st.sampled_from([frozenset({"testnet"}), frozenset({"testnet", "mainnet"})]),
        },
    ),
    limit=st.integers(1, 30),
)
@settings(deadline=None, max_examples=100)
def test_pages_of_a_query_are_what_reading_every_record_gives(
    log: list[tuple[AuditEvent, int]], wanted: dict[str, Any], limit: int
) -> None:
    with written(log) as audit:
        expected = [
            number
            for number, event in reversed(list(enumerate(audit.events, start=1)))
            if wanted.get("bot_tag", event.bot_tag) == event.bot_tag
            and wanted.get("actor", event.actor) == event.actor
            and wanted.get("exchange", event.method.partition(".")[0]) == event.method.partition(".")[0]
            and wanted.get("action", event.method.partition(".")[2]) == event.method.partition(".")[2]
            and event.environment in wanted.get("environments", {event.environment})
        ]
        got: list[int] = []
        cursor: int | None = None
        while True:
            page = query(audit.path, AuditQuery(limit=limit, cursor=cursor, **wanted))
            got += [record["seq"] for record in page.records]
            cursor = page.next
            if cursor is None:
                break
        assert got == expected
