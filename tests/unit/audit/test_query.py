"""Finding records: filters, order, pages, and files that change meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cerberod.audit import files
from cerberod.audit.query import AuditQuery, query
from cerberod.audit.record import AuditEvent, EventKind
from cerberod.audit.writer import AuditLog
from tests.support.clock import ManualClock
from tests.support.records import KEY, event

MIDNIGHT = datetime(2026, 8, 23, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def three_days(path: Path) -> Path:
    """Thirty records, one each two hours, from 22 to 24 August, of two bots, two exchanges and both environments."""
    clock = ManualClock(datetime(2026, 8, 22, 1, tzinfo=UTC))
    log = AuditLog.open(path, KEY, clock, backup_days=30)
    for number in range(30):
        log.append(
            [
                event(
                    bot_tag="owl" if number % 3 else "cat",
                    actor="mainnet" if number % 2 else "testnet",
                    environment="mainnet" if number % 2 else "testnet",
                    method="bybit.place_order" if number % 5 else "deribit.get_ticker",
                    request_id=f"r-{number}",
                )
            ]
        )
        clock.advance(hours=2)
    log.close()
    return path


def numbers(path: Path, **wanted: Any) -> list[int]:
    return [record["seq"] for record in query(path, AuditQuery(**wanted)).records]


def test_records_of_all_days_come_newest_first(three_days: Path) -> None:
    page = query(three_days, AuditQuery())
    assert [record["seq"] for record in page.records] == list(range(30, 0, -1))
    assert (page.count, page.next) == (30, None)
    assert page.records[0]["exchange"] == "bybit"
    assert page.records[0]["action"] == "place_order"
    assert len(files.day_files(three_days)) == 2


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({"bot_tag": "cat"}, lambda n: n % 3 == 0),
        ({"actor": "mainnet"}, lambda n: n % 2 == 1),
        ({"exchange": "deribit"}, lambda n: n % 5 == 0),
        ({"action": "place_order"}, lambda n: n % 5 != 0),
        ({"exchange": "deribit", "action": "place_order"}, lambda n: False),
        ({"environments": frozenset({"testnet"})}, lambda n: n % 2 == 0),
        ({"environments": frozenset({"testnet", "mainnet"})}, lambda n: True),
        ({"environments": frozenset()}, lambda n: False),
        ({"bot_tag": "owl", "actor": "testnet", "exchange": "bybit"}, lambda n: n % 3 and n % 2 == 0 and n % 5),
        ({"bot_tag": "ow"}, lambda n: False),
        ({"action": "order"}, lambda n: False),
        ({"exchange": "derib"}, lambda n: False),
        ({"since": MIDNIGHT}, lambda n: 1 + 2 * n >= 24),
        ({"until": MIDNIGHT}, lambda n: 1 + 2 * n < 24),
        ({"since": MIDNIGHT - timedelta(hours=1)}, lambda n: 1 + 2 * n >= 23),
        ({"until": MIDNIGHT - timedelta(hours=1)}, lambda n: 1 + 2 * n < 23),
        ({"since": MIDNIGHT, "until": MIDNIGHT + timedelta(days=1)}, lambda n: 24 <= 1 + 2 * n < 48),
    ],
)
def test_filters_keep_exactly_what_they_say(
    three_days: Path, wanted: dict[str, Any], kept: Callable[[int], bool]
) -> None:
    assert numbers(three_days, **wanted) == [n + 1 for n in range(29, -1, -1) if kept(n)]


@pytest.mark.parametrize("limit", [1, 7, 10, 29, 30])
def test_pages_join_without_gap_or_repeat(three_days: Path, limit: int) -> None:
    seen: list[int] = []
    cursor = None
    while True:
        page = query(three_days, AuditQuery(limit=limit, cursor=cursor))
        assert page.count == len(page.records) <= limit
        seen += [record["seq"] for record in page.records]
        cursor = page.next
        if cursor is None:
            break
    assert seen == list(range(30, 0, -1))


@pytest.mark.parametrize("cursor", [1, 2, 11, 12, 13, 30, 31, 10**15])
def test_a_cursor_means_older_than(three_days: Path, cursor: int) -> None:
    assert numbers(three_days, cursor=cursor) == list(range(min(cursor - 1, 30), 0, -1))


def test_records_of_no_environment_show_to_those_who_see_all(path: Path) -> None:
    log = AuditLog.open(path, KEY, ManualClock(), backup_days=30)
    log.append([AuditEvent(EventKind.START)])
    log.close()
    assert numbers(path) == [1]
    assert numbers(path, environments=frozenset({"testnet"})) == []


@pytest.mark.parametrize("tag", ['say "hi"', "back\\slash", "größe", '","bot_tag":"owl', "\x01"])
def test_any_text_is_found_as_itself(path: Path, tag: str) -> None:
    log = AuditLog.open(path, KEY, ManualClock(), backup_days=30)
    log.append([event(bot_tag=tag), event(bot_tag="owl", params={"bot_tag": tag, "method": "bybit.place_order"})])
    log.close()
    assert numbers(path, bot_tag=tag) == [1]
    assert numbers(path, exchange="bybit") == []


def test_a_record_being_written_and_a_damaged_one_are_passed_over(three_days: Path) -> None:
    whole = three_days.read_bytes()
    three_days.write_bytes(b"\x00 not a record\n" + whole + whole[:50])
    assert numbers(three_days) == list(range(30, 0, -1))
    assert numbers(three_days, bot_tag="cat", cursor=28) == list(range(25, 0, -3))


def test_a_clock_that_was_set_back_hides_nothing(path: Path) -> None:
    clock = ManualClock()
    log = AuditLog.open(path, KEY, clock, backup_days=30)
    started = clock.now()
    for minutes in (0, 60, 0, 30):
        clock.set_wall(started + timedelta(minutes=minutes))
        log.append([event()])
    log.close()
    assert numbers(path, since=started + timedelta(minutes=30)) == [4, 2]


def test_a_day_that_turns_during_the_query_is_read_once(three_days: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = files.day_files

    def turned_meanwhile(current: Path) -> list[files.DayFile]:
        if current.exists():
            current.rename(current.with_name("audit-2026-08-24.jsonl"))
        return listing(current)

    monkeypatch.setattr(files, "day_files", turned_meanwhile)
    assert numbers(three_days) == list(range(30, 0, -1))


def test_no_file_is_an_empty_answer(path: Path) -> None:
    page = query(path, AuditQuery())
    assert (page.count, page.records, page.next) == (0, [], None)


def test_more_than_a_block_is_read_in_order(path: Path) -> None:
    log = AuditLog.open(path, KEY, ManualClock(), backup_days=30)
    log.append([event(bot_tag=f"b{n % 7}", params={"note": "x" * (n % 50) * 100}) for n in range(1500)])
    log.close()
    assert path.stat().st_size > 2 * files.BLOCK
    assert numbers(path, limit=10_000) == list(range(1500, 0, -1))
    assert numbers(path, bot_tag="b3") == [n + 1 for n in range(1499, -1, -1) if n % 7 == 3]
    for cursor in (2, 700, 1499):
        assert numbers(path, cursor=cursor, limit=2)[0] == cursor - 1


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 0}, {"limit": 10_001}, {"cursor": 0}, {"since": datetime(2026, 8, 22)}, {"bot_tag": "\ud800"}],  # noqa: DTZ001 - the fault tried
)
def test_a_query_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"limit|cursor|since|not plain JSON"):
        AuditQuery(**wrong)
