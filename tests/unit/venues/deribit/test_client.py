"""The client above the connection: shared reads, credits, deadlines, limits, health. Real sockets, scripted answers."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from cerberod.errors import BadVenueData, DeadlinePassed, NoKeys, VenueDown, VenueRefused
from cerberod.rpc.call import Tally, current_tally
from cerberod.settings.secret import Secret
from cerberod.venues.deribit import client
from cerberod.venues.deribit.client import Credentials, Deribit
from tests.support.clock import ManualClock
from tests.support.deribit_venue import SILENCE, Error, client_of, eventually, scripted


class Unmarked:
    """A write whose moment nobody watches."""

    def mark(self) -> None:
        pass


def instrument(name: str = "BTC-PERPETUAL", **more: Any) -> dict[str, Any]:
    """An instrument with the fields of facts 5."""
    return {
        "instrument_name": name,
        "kind": "future",
        "state": "open",
        "is_active": True,
        "base_currency": "BTC",
        "quote_currency": "USD",
        "counter_currency": "USD",
        "settlement_currency": "BTC",
        "settlement_period": "perpetual",
        "instrument_type": "reversed",
        "price_index": "btc_usd",
        "creation_timestamp": 1_534_167_754_000,
        "expiration_timestamp": 32_503_708_800_000,
        "tick_size": 0.5,
        "tick_size_steps": [],
        "min_trade_amount": 10.0,
        "contract_size": 10.0,
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
        "max_leverage": 50,
    } | more


async def test_equal_reads_in_flight_are_one_request() -> None:
    async with scripted(public__ticker=SILENCE) as venue, client_of(venue) as deribit:
        got: list[object] = []
        async with anyio.create_task_group() as group:

            async def ask(name: str) -> None:
                got.append((await deribit.read("public/ticker", {"instrument_name": name})).result)

            for _ in range(10):
                group.start_soon(ask, "BTC-PERPETUAL")
            group.start_soon(ask, "ETH-PERPETUAL")
            await venue.seen("public/ticker", 2)
            for id, answer in ((2, "a"), (3, "b"), (4, "c")):
                await venue.tell(venue.envelope(id, answer))
        assert len(venue.asked("public/ticker")) == 2
        assert len(got) == 11


async def test_what_a_call_cost_is_charged_to_it() -> None:
    async with scripted(public__ticker={}, public__get_index_price={}) as venue, client_of(venue) as deribit:
        tally = Tally()
        token = current_tally.set(tally)
        await deribit.read("public/ticker", {})
        await deribit.read("public/get_index_price", {})
        current_tally.reset(token)
        assert tally.calls == 2
        assert tally.seconds > 0


async def test_a_call_that_never_left_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PATIENCE_SHARE", 0.005)
    async with scripted() as venue:
        pass
    async with client_of(venue) as deribit:
        tally = Tally()
        token = current_tally.set(tally)
        with pytest.raises(VenueDown):
            await deribit.read("public/ticker", {})
        current_tally.reset(token)
        assert tally.calls == 0


async def test_reads_wait_for_credit_and_give_up_at_their_deadline_unsent() -> None:
    async with (
        scripted(public__ticker={}) as venue,
        client_of(venue, clock=ManualClock()) as deribit,
    ):
        await eventually(lambda: deribit.status().connected)
        left = int(deribit.status().credits_left["non_matching"])
        assert 90 <= left <= 100
        at_once = left - 10  # a tenth of the pool of 100 is left alone
        for number in range(at_once):
            await deribit.read("public/ticker", {"instrument_name": str(number)})
        deribit._read_deadline_s = 0.5
        with pytest.raises(DeadlinePassed) as passed:
            await deribit.read("public/ticker", {})
        assert not passed.value.sent
        assert len(venue.asked("public/ticker")) == at_once


async def test_a_venue_that_says_too_many_is_believed_and_asked_again_when_credit_is_back() -> None:
    answers = iter([Error(10028), {}])
    clock, results = ManualClock(), list[object]()
    async with (
        scripted(public__ticker=lambda _: next(answers)) as venue,
        client_of(venue, clock=clock) as deribit,
        anyio.create_task_group() as group,
    ):

        async def read() -> None:
            results.append((await deribit.read("public/ticker", {})).result)

        group.start_soon(read)
        await venue.seen("public/ticker")
        await eventually(lambda: deribit.status().credits_left["non_matching"] == 0)  # so the venue says
        clock.advance(seconds=10)
        await eventually(lambda: results == [{}])
        assert len(venue.asked("public/ticker")) == 2


async def test_an_order_refused_for_too_many_had_no_effect() -> None:
    async with scripted(private__buy=Error(10028)) as venue, client_of(venue, clock=ManualClock()) as deribit:
        await eventually(lambda: deribit.status().authenticated)
        with pytest.raises(VenueRefused) as refused:
            await deribit.write("private/buy", {}, Unmarked())
        assert (refused.value.reason, refused.value.effect_possible) == ("too_many_requests", False)
        assert deribit.status().credits_left["matching"] == 0
        assert len(venue.asked("private/buy")) == 1


async def test_orders_leave_room_for_cancels() -> None:
    async with (
        scripted(private__buy={}, private__cancel={}, private__cancel_all=0) as venue,
        client_of(venue, clock=ManualClock()) as deribit,
    ):
        await eventually(lambda: deribit.status().authenticated)
        for _ in range(16):
            await deribit.write("private/buy", {}, Unmarked())
        deribit._write_deadline_s = 0.5
        with pytest.raises(DeadlinePassed) as passed:
            await deribit.write("private/buy", {}, Unmarked())
        assert not passed.value.sent
        deribit._write_deadline_s = 60.0
        for _ in range(4):
            await deribit.write("private/cancel", {"order_id": "1"}, Unmarked())
        await deribit.write("private/cancel_all", {}, Unmarked())
        assert len(venue.asked("private/buy")) == 16


async def test_a_cancel_does_not_wait_behind_orders_that_queue() -> None:
    async with (
        scripted(private__buy={}, private__cancel={}) as venue,
        client_of(venue, clock=ManualClock()) as deribit,
    ):
        await eventually(lambda: deribit.status().authenticated)
        async with anyio.create_task_group() as group:
            for _ in range(16):
                await deribit.write("private/buy", {}, Unmarked())
            for _ in range(5):
                group.start_soon(deribit.write, "private/buy", {}, Unmarked())
            await anyio.wait_all_tasks_blocked()
            await deribit.write("private/cancel", {"order_id": "1"}, Unmarked())
            group.cancel_scope.cancel()
        assert len(venue.asked("private/cancel")) == 1


async def test_an_urgent_read_does_not_wait_for_credit() -> None:
    async with (
        scripted(public__ticker=Error(10028), public__test={}) as venue,
        client_of(venue, clock=ManualClock()) as deribit,
    ):
        with pytest.raises(VenueRefused):
            await deribit.read("public/ticker", {}, urgent=True)
        assert deribit.status().credits_left["non_matching"] == 0
        assert (await deribit.read("public/test", {}, urgent=True)).result == {}


async def test_the_accounts_own_limits_replace_the_published_ones() -> None:
    limits = {
        "limits_per_currency": False,
        "non_matching_engine": {"burst": 1500, "rate": 1000},
        "matching_engine": {
            "trading": {"total": {"burst": 250, "rate": 200}},
            "spot": {"burst": 250, "rate": 200},
            "cancel_all": {"burst": 30, "rate": 20},
        },
    }
    async with scripted() as venue, client_of(venue, clock=ManualClock()) as deribit:
        deribit.learn_limits({"limits": limits})
        left = deribit.status().credits_left
        assert left["matching"] == 250
        assert left["cancel_all"] == 30
        assert left["non_matching"] > 1400
        assert left["instruments"] == 50


@pytest.mark.parametrize(
    "limits", [None, 5, {}, {"non_matching_engine": {"burst": 0, "rate": 1}}, {"matching_engine": 1}]
)
async def test_limits_that_make_no_sense_change_nothing(limits: object) -> None:
    async with scripted() as venue, client_of(venue, clock=ManualClock()) as deribit:
        deribit.learn_limits({"limits": limits})
        assert deribit.status().credits_left["matching"] == 20


async def test_a_probe_is_a_sign_of_life() -> None:
    async with scripted() as venue, client_of(venue) as deribit:
        status = await deribit.probe(60.0)
        assert (status.exchange, status.env.value, status.healthy, status.reason) == ("deribit", "testnet", True, None)
        assert status.latency_ms is not None
        venue.scripts["public/test"] = SILENCE
        status = await deribit.probe(0.05)
        assert (status.healthy, status.reason, status.connected) == (False, "no_answer", True)


async def test_a_probe_of_a_dead_venue_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PATIENCE_SHARE", 0.005)
    async with scripted() as venue:
        pass
    async with client_of(venue) as deribit:
        status = await deribit.probe(60.0)
        assert (status.healthy, status.reason, status.connected) == (False, "unreachable", False)


async def test_the_venues_clock_is_told_against_ours() -> None:
    clock = ManualClock()
    async with scripted() as venue, client_of(venue, clock=clock) as deribit:
        assert deribit.status().offset_ms is None
        ahead_us = (clock.now_ms() + 3_000) * 1000
        venue.stamp = (ahead_us, ahead_us)
        await eventually(lambda: deribit.status().connected)
        assert deribit.offset_ms == 3_000
        clock.set_wall(clock.now() + timedelta(hours=1))
        assert deribit.offset_ms == 3_000 - 3_600_000
        assert deribit.venue_ms() == ahead_us // 1000, "a step of our wall clock does not move the venue's time"


async def test_an_instrument_is_read_once_and_again_when_it_may_have_changed() -> None:
    clock = ManualClock()
    async with (
        scripted(public__get_instrument=instrument(), private__buy=Error(10043)) as venue,
        client_of(venue, clock=clock) as deribit,
    ):
        await eventually(lambda: deribit.status().authenticated)
        for _ in range(3):
            assert str((await deribit.instruments.get("BTC-PERPETUAL")).tick_size) == "0.5"
        assert len(venue.asked("public/get_instrument")) == 1
        with pytest.raises(VenueRefused):
            await deribit.write("private/buy", {"instrument_name": "BTC-PERPETUAL"}, Unmarked())
        venue.scripts["public/get_instrument"] = instrument(tick_size=2.5)
        assert str((await deribit.instruments.get("BTC-PERPETUAL")).tick_size) == "2.5"
        clock.advance(minutes=11)
        await deribit.instruments.get("BTC-PERPETUAL")
        assert len(venue.asked("public/get_instrument")) == 3, "what was read long ago is read again"


async def test_another_instrument_than_asked_for_is_not_taken() -> None:
    async with scripted(public__get_instrument=instrument("ETH-PERPETUAL")) as venue, client_of(venue) as deribit:
        with pytest.raises(BadVenueData):
            await deribit.instruments.get("BTC-PERPETUAL")


async def test_the_account_has_a_name_that_gives_nothing_away() -> None:
    async with scripted() as venue, client_of(venue) as one, client_of(venue) as same:
        other = Credentials(Secret("another-id"), Secret("another-secret"))
        async with client_of(venue, credentials=other) as another, client_of(venue, credentials=None) as keyless:
            assert one.account == same.account != another.account
            assert "an-id-of-a-key" not in one.account
            with pytest.raises(NoKeys):
                _ = keyless.account


async def test_two_clients_never_share_anything() -> None:
    async with scripted(public__ticker={}) as venue, client_of(venue) as one, client_of(venue) as other:
        await one.read("public/ticker", {})
        await other.read("public/ticker", {})
        assert len(venue.asked("public/ticker")) == 2
        assert type(one) is Deribit
