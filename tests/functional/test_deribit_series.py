"""Series of Deribit through the real daemon on the simulator: whole over page limits, ordered, and coherent."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from cerberod.errors import Code
from tests.functional.conftest import StartDaemon
from tests.support.client import Client, Refused, connected
from tests.support.daemon import Daemon

END = "2026-08-21T08:00:00Z"
LONG = {"start": "2026-05-01T00:00:00Z", "end": END}
"""2696 hours: more than three months of funding."""
PERPETUAL = {"instrument_name": "BTC-PERPETUAL"}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def steps(rows: list[dict[str, Any]], name: str) -> set[timedelta]:
    return {moment(later[name]) - moment(earlier[name]) for earlier, later in pairwise(rows)}


@pytest.fixture
async def bot(shared_daemon: Daemon) -> Any:
    async with connected(shared_daemon) as client:
        yield client


async def test_months_of_funding_have_every_hour_once(bot: Client) -> None:
    told = await bot.call("deribit.get_funding_history", {**PERPETUAL, **LONG})
    hours = told["hours"]
    assert steps(hours, "at") == {timedelta(hours=1)}
    assert (told["count"], len(hours), told["missing_hours"]) == (2697, 2697, 0)
    assert told["pages"] == 4
    assert moment(hours[-1]["at"]) == moment(END)
    assert told["paid"] == pytest.approx(sum(hour["interest_1h"] for hour in hours))


async def test_a_window_pays_what_its_hours_pay(bot: Client) -> None:
    window = {"start": "2026-08-20T08:00:00Z", "end": END}
    now = await bot.call("deribit.get_funding_rate", {**PERPETUAL, **window})
    hours = (await bot.call("deribit.get_funding_history", {**PERPETUAL, **window}))["hours"]
    assert now["paid_in_window"] == pytest.approx(sum(hour["interest_1h"] for hour in hours[1:]), abs=1e-9)
    assert now["current_funding_apr_pct"] == pytest.approx(now["current_funding"] * 109_500)
    assert (await bot.call("deribit.get_funding_rate", PERPETUAL))["paid_in_window"] is None


async def test_a_long_dvol_history_has_every_candle_once(bot: Client) -> None:
    told = await bot.call("deribit.get_dvol_history", {"currency": "ETH", "resolution": "3600", **LONG})
    assert steps(told["candles"], "opened_at") == {timedelta(hours=1)}
    assert (told["count"], told["missing"], told["pages"], told["last_is_forming"]) == (2697, 0, 3, False)
    for each in told["candles"]:
        assert each["low"] <= min(each["open"], each["close"]) <= max(each["open"], each["close"]) <= each["high"]


async def test_candles_beyond_one_page_have_every_minute_once(bot: Client) -> None:
    window = {"start": "2026-08-14T00:00:00Z", "end": "2026-08-21T23:59:00Z", "resolution": "1"}
    told = await bot.call("deribit.get_historical", {**PERPETUAL, **window})
    assert steps(told["candles"], "opened_at") == {timedelta(minutes=1)}
    assert (told["count"], told["pages"], told["last_is_forming"]) == (8 * 1440, 3, False)


async def test_the_log_tells_of_every_page(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("serve", "--sim", LOG_LEVEL="debug")
    async with connected(daemon) as bot:
        await bot.call("deribit.get_funding_history", {**PERPETUAL, **LONG})
        await bot.call("deribit.get_dvol_history", {"currency": "BTC", "resolution": "3600", **LONG})
    daemon.stop()
    for method, pages in (("get_funding_history", 4), ("get_dvol_history", 3)):
        (line,) = [each for each in daemon.logged if each.get("method") == f"deribit.{method}"]
        assert line["upstream_calls"] == pages
    read = [each for each in daemon.logged if each.get("message") == "page read"]
    assert [(each["page"], each["rows"]) for each in read[:4]] == [(1, 744), (2, 744), (3, 744), (4, 465)]
    assert [each["page"] for each in read[4:]] == [1, 2, 3]
    assert {each["upstream_method"] for each in read[4:]} == {"public/get_volatility_index_data"}
    reached = [each["reached"] for each in read[:4]]
    assert reached == sorted(reached, reverse=True)
    assert reached[-1] == "2026-05-01T00:00:00.000Z"


async def test_a_day_of_trades_is_read_once_however_it_is_cut(bot: Client) -> None:
    window = {**PERPETUAL, "start": "2026-08-20T22:00:00Z", "end": END}
    whole = await bot.call("deribit.get_last_trades", {**window, "count": 5000})
    assert not whole["has_more"]
    assert whole["pages"] > 1
    ids = [trade["trade_id"] for trade in whole["trades"]]
    assert len(ids) == len(set(ids)) == whole["count"] > 1000
    assert [trade["traded_at"] for trade in whole["trades"]] == sorted(trade["traded_at"] for trade in whole["trades"])
    again: list[str] = []
    start: str | None = window["start"]
    while start is not None:
        part = await bot.call("deribit.get_last_trades", {**window, "start": start, "count": 700})
        again += [trade["trade_id"] for trade in part["trades"]]
        start = part["next_start"]
    assert again == ids


async def test_the_latest_trades_of_a_currency(bot: Client) -> None:
    told = await bot.call("deribit.get_last_trades", {"currency": "BTC", "kind": "option", "count": 30})
    assert told["count"] == 30
    assert told["next_start"] is None
    assert all(trade["instrument_name"].startswith("BTC-") for trade in told["trades"])
    assert any(trade["iv"] for trade in told["trades"])
    assert told["trades"] == sorted(told["trades"], key=lambda trade: trade["traded_at"])


async def test_settlements_go_on_where_they_were_cut(bot: Client) -> None:
    asked: dict[str, Any] = {"currency": "BTC", "count": 40}
    first = await bot.call("deribit.get_settlements", asked)
    assert first["continuation"] is not None
    second = await bot.call("deribit.get_settlements", {**asked, "continuation": first["continuation"]})
    joined = second["settlements"] + first["settlements"]
    days = [moment(each["at"]).date() for each in joined]
    assert days == sorted(days)
    keys = [(each["at"], each["type"], each["instrument_name"]) for each in joined]
    assert len(keys) == len(set(keys)) == 80
    assert {moment(each["at"]).hour for each in joined} == {8}


async def test_deliveries_of_a_window(bot: Client) -> None:
    window = {"start": "2026-08-01T00:00:00Z", "end": END}
    told = await bot.call("deribit.get_settlements", {"currency": "ETH", "type": "delivery", "count": 5000, **window})
    assert {each["type"] for each in told["settlements"]} <= {"delivery"}
    assert all(moment(window["start"]) <= moment(each["at"]) <= moment(END) for each in told["settlements"])


async def test_realised_volatility_as_the_venue_tells_it(bot: Client) -> None:
    told = await bot.call("deribit.get_historical_volatility", {"currency": "BTC"})
    assert steps(told["values"], "at") == {timedelta(hours=1)}
    assert told["latest_pct"] == told["values"][-1]["volatility_pct"] > 0


@pytest.mark.parametrize(
    ("method", "params", "cost"),
    [
        ("get_funding_history", PERPETUAL, "requests"),
        ("get_dvol_history", {"currency": "BTC", "resolution": "60"}, "requests"),
        ("get_historical", {**PERPETUAL, "resolution": "1"}, "requests"),
    ],
)
async def test_a_window_too_large_is_refused_with_its_cost(
    bot: Client, method: str, params: dict[str, Any], cost: str
) -> None:
    window = {"start": "2020-01-01T00:00:00Z", "end": END}
    with pytest.raises(Refused) as refused:
        await bot.call(f"deribit.{method}", {**params, **window})
    assert refused.value.code is Code.INVALID_PARAMS
    assert refused.value.fields == ["start"]
    assert cost in str(refused.value.data)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("get_last_trades", {}),
        ("get_last_trades", {**PERPETUAL, "currency": "BTC"}),
        ("get_last_trades", {**PERPETUAL, "start": END, "end": "2026-08-20T00:00:00Z"}),
        ("get_last_trades", {**PERPETUAL, "count": 5001}),
        ("get_funding_rate", {"instrument_name": "BTC-25DEC26"}),
        ("get_funding_rate", {**PERPETUAL, "start": END}),
        ("get_settlements", {"currency": "BTC", "count": 0}),
        ("get_dvol_history", {"currency": "SOL", **LONG}),
        ("get_funding_history", {**PERPETUAL, "start": "2026-08-20", "end": END}),
    ],
)
async def test_bad_params_are_refused(bot: Client, method: str, params: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        await bot.call(f"deribit.{method}", params, bad=True)
    assert refused.value.code is Code.INVALID_PARAMS


@pytest.mark.parametrize("instrument", ["XYZ-PERPETUAL", "BTC-1JAN20-5-C"])
async def test_what_the_venue_does_not_know_is_its_refusal(bot: Client, instrument: str) -> None:
    with pytest.raises(Refused) as refused:
        await bot.call("deribit.get_last_trades", {"instrument_name": instrument})
    assert refused.value.code is Code.VENUE_REFUSED
    assert refused.value.data["reason"] == "invalid_params"
