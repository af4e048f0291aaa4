"""How fast Bybit may be asked: published figures, what answers tell of them, and the ban."""

import pytest

from cerberod.errors import VenueDown
from cerberod.venues.bybit.limits import ADDRESS, BAN_S, allowance, allowance_of, group_of, published
from cerberod.venues.bybit.pacing import Pacing
from cerberod.venues.credits import Credits
from tests.support.clock import ManualClock
from tests.support.virtual_time import LoopClock, run

CREATE, REALTIME, FEES = "/v5/order/create", "/v5/order/realtime", "/v5/account/fee-rate"


@pytest.mark.parametrize(
    ("path", "category", "group", "per_s"),
    [
        (CREATE, "linear", "derivatives", 10),
        (CREATE, "inverse", "derivatives", 10),
        (CREATE, "option", "option", 10),
        (CREATE, "spot", "spot", 20),
        ("/v5/order/cancel-all", "option", "option", 1),
        (REALTIME, "spot", "spot", 50),
        (FEES, "spot", "all", 5),
        (FEES, None, "all", 5),
        ("/v5/account/wallet-balance", None, "all", 50),
        ("/v5/position/set-leverage", "linear", "derivatives", 10),
    ],
)
def test_endpoints_have_their_published_figures(path: str, category: str | None, group: str, per_s: int) -> None:
    assert group_of(path, category) == group
    found = allowance(path, group)
    assert found.refill_per_s == per_s / 2
    assert found.pool <= max(1.0, per_s / 2)


@pytest.mark.parametrize("per_s", [1, 5, 10, 50])
def test_no_second_has_more_than_its_figure(per_s: int) -> None:
    """The venue counts a rolling second; whoever sends as fast as the pool allows never oversteps it."""
    pool = Credits(allowance_of(per_s), 0.0)
    now, sent = 0.0, []
    while now < 10.0:
        wait_s = pool.take(now)
        if wait_s:
            now += wait_s
        else:
            sent.append(now)
    for begin in sent:
        assert sum(begin <= at < begin + 1.0 - 1e-9 for at in sent) <= max(per_s, 1)


def test_the_address_never_has_more_than_600_in_5_seconds() -> None:
    assert ADDRESS.pool + 5 * ADDRESS.refill_per_s <= 600


def test_what_is_published_is_told_before_anything_is_asked() -> None:
    now = Pacing(ManualClock()).now()
    assert {(each.path, each.group) for each in now.endpoints} == set(published())
    assert not any(each.told for each in now.endpoints)
    assert ("/v5/position/set-leverage", "spot") not in published(), "spot has no positions"


def test_a_limit_of_one_a_second_is_kept_in_virtual_time() -> None:
    async def cancel_thrice() -> list[float]:
        clock = LoopClock()
        pacing, times = Pacing(clock), list[float]()
        for _ in range(3):
            await pacing.private("/v5/order/cancel-all", "option")
            times.append(clock.monotonic())
        return times

    first, second, third = run(cancel_thrice)
    assert second - first >= 1.0
    assert third - second >= 1.0


def test_the_moment_that_the_venue_names_is_waited_for() -> None:
    async def after_a_refusal() -> float:
        clock = LoopClock()
        pacing = Pacing(clock)
        venue_ms = 1_700_000_000_000
        pacing.refused(REALTIME, "spot", {"X-Bapi-Limit-Reset-Timestamp": str(venue_ms + 700)}, venue_ms)
        began = clock.monotonic()
        await pacing.private(REALTIME, "linear")
        assert clock.monotonic() == began, "another group is another bucket"
        await pacing.private(REALTIME, "spot")
        return clock.monotonic() - began

    assert run(after_a_refusal) == pytest.approx(0.7)


@pytest.mark.parametrize(("told", "waits"), [("", 1.0), ("x", 1.0), ("9" * 30, 1.0), ("9" * 15, 2.0), ("1", 0.04)])
def test_a_moment_that_makes_no_sense_is_a_second_or_two(told: str, waits: float) -> None:
    async def after_a_refusal() -> float:
        clock = LoopClock()
        pacing = Pacing(clock)
        headers = {"X-Bapi-Limit-Reset-Timestamp": told} if told else {}
        pacing.refused(REALTIME, "spot", headers, 1_700_000_000_000)
        began = clock.monotonic()
        await pacing.private(REALTIME, "spot")
        return clock.monotonic() - began

    assert run(after_a_refusal) == pytest.approx(waits)


def test_a_banned_address_asks_nothing_for_ten_minutes() -> None:
    async def banned() -> None:
        clock = ManualClock()
        pacing = Pacing(clock)
        pacing.ban()
        assert pacing.now().banned
        clock.advance(seconds=BAN_S - 1)
        for urgent in (False, True):
            with pytest.raises(VenueDown):
                await pacing.public(urgent=urgent)
        clock.advance(seconds=2)
        await pacing.public()
        assert not pacing.now().banned

    run(banned)
