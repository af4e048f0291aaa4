"""Pages and windows."""

from urllib.parse import unquote

import pytest

from cerberod.simulator.bybit.paging import page, window
from cerberod.simulator.bybit.params import Params
from cerberod.simulator.bybit.wire import VenueError

DAY_MS = 86_400_000
ITEMS = [f"S{n}" for n in range(7)]


def test_pages_join_to_the_whole() -> None:
    found: list[str] = []
    cursor = ""
    for _ in range(4):
        rows, cursor = page(ITEMS, Params({"cursor": cursor}), 2, str)
        found += rows
    assert (found, cursor) == (ITEMS, "")


def test_a_cursor_is_encoded_and_names_its_page() -> None:
    _, cursor = page(ITEMS, Params({}), 3, str)
    assert cursor == "first%3DS0%26last%3DS2"
    assert unquote(cursor) == "first=S0&last=S2"


def test_a_last_full_page_has_no_cursor() -> None:
    assert page(ITEMS, Params({}), 7, str) == (ITEMS, "")
    assert page([], Params({}), 7, str) == ([], "")


@pytest.mark.parametrize("cursor", ["x", "first=S0&last=S9", "last="])
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(VenueError):
        page(ITEMS, Params({"cursor": cursor}), 2, str)


def test_windows() -> None:
    now = 100 * DAY_MS
    assert window(Params({}), now) == (93 * DAY_MS, now)
    assert window(Params({}), now, DAY_MS) == (99 * DAY_MS, now)
    assert window(Params({"startTime": "0"}), now) == (0, 7 * DAY_MS)
    assert window(Params({"endTime": str(now)}), now) == (93 * DAY_MS, now)
    for start, end in ((0, 8 * DAY_MS), (5, 4)):
        with pytest.raises(VenueError):
            window(Params({"startTime": start, "endTime": end}), now)
