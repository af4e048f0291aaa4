"""Orders at the simulated Bybit through the whole daemon: what is sent, what came of it, what is refused before."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.functional.conftest import StartDaemon
from tests.support.client import Client, Refused, connected

PERPETUAL = {"category": "linear", "symbol": "BTCUSDT"}
RESTING = {**PERPETUAL, "side": "buy", "qty": "0.01", "price": "58000"}
"""Below the market, and inside the band."""


@pytest.fixture
async def bot(start_daemon: StartDaemon) -> AsyncIterator[Client]:
    daemon = start_daemon("serve", "--sim", module="tests.support.giving_up")  # which follows an order for long
    async with connected(daemon) as client:
        yield client


async def refused(bot: Client, method: str, params: dict[str, Any]) -> list[str]:
    with pytest.raises(Refused) as caught:
        await bot.call(method, params, bad=True)
    return caught.value.fields


async def denied(bot: Client, method: str, params: dict[str, Any]) -> list[tuple[str, str | None]]:
    outcome = await bot.call(method, params)
    assert outcome["outcome"] == "denied", outcome
    return [(reason["field"], reason["nearest"]) for reason in outcome["reasons"]]


async def highest(bot: Client, **params: Any) -> str:
    """Return the highest price that a buy may have: what is denied names it."""
    ((_, nearest),) = await denied(bot, "bybit.place_order", {**RESTING, **params, "price": "150000"})
    assert nearest is not None
    return nearest


async def taking_price(bot: Client) -> str:
    """Return a price at which a buy takes: a bit below the highest, which moves with the market."""
    return f"{float(await highest(bot)) * 0.99:.0f}"


async def test_a_limit_order_is_followed_until_it_rests(bot: Client) -> None:
    placed = await bot.call("bybit.place_order", {**RESTING, "intent": "one"})
    assert (placed["outcome"], placed["order"]["order_status"]) == ("confirmed", "New")
    assert placed["order"]["order_link_id"] == placed["client_order_id"]
    assert placed["order"]["order_id"] == placed["order_id"]
    again = await bot.call("bybit.place_order", {**RESTING, "intent": "one"})
    assert again == {**placed, "repeated": True}


async def test_an_order_is_amended_in_place(bot: Client) -> None:
    placed = await bot.call("bybit.place_order", RESTING)
    change = {**PERPETUAL, "order_id": placed["order_id"], "price": "58100", "qty": "0.02"}
    amended = await bot.call("bybit.amend_order", change)
    assert (amended["outcome"], amended["order"]["price"], amended["order"]["qty"]) == ("confirmed", "58100", "0.02")


async def test_an_order_is_cancelled_once_and_the_goal_stands(bot: Client) -> None:
    placed = await bot.call("bybit.place_order", RESTING)
    cancel = {**PERPETUAL, "order_id": placed["order_id"]}
    first = await bot.call("bybit.cancel_order", cancel)
    assert (first["outcome"], first["order"]["order_status"]) == ("confirmed", "Cancelled")
    assert (await bot.call("bybit.cancel_order", cancel))["outcome"] == "confirmed"
    by_link = {**PERPETUAL, "order_link_id": placed["client_order_id"]}
    assert (await bot.call("bybit.cancel_order", by_link))["outcome"] == "confirmed"


async def test_a_cancel_of_what_is_filled_or_not_there_is_rejected(bot: Client) -> None:
    market = {**PERPETUAL, "side": "buy", "qty": "0.01", "type": "market"}
    filled = await bot.call("bybit.place_order", market)
    assert (filled["outcome"], filled["order"]["order_status"]) == ("confirmed", "Filled")
    late = await bot.call("bybit.cancel_order", {**PERPETUAL, "order_id": filled["order_id"]})
    assert (late["outcome"], late["venue_code"], late["order"]["order_status"]) == ("rejected", "110001", "Filled")
    nobodys = await bot.call("bybit.cancel_order", {**PERPETUAL, "order_id": "nobodys"})
    assert (nobodys["outcome"], nobodys["venue_code"]) == ("rejected", "110001")


@pytest.mark.parametrize("kind", ["StopOrder", "tpslOrder"])
async def test_a_cancel_among_the_wrong_kind_of_spot_orders_names_the_right_one(bot: Client, kind: str) -> None:
    spot = {"category": "spot", "symbol": "BTCUSDT"}
    bought = {**spot, "side": "buy", "type": "market", "qty": "100", "market_unit": "quoteCoin"}
    assert (await bot.call("bybit.place_order", bought))["outcome"] == "confirmed"
    stop = {**spot, "side": "sell", "qty": "0.001", "price": "40000", "trigger_price": "40000", "order_filter": kind}
    placed = await bot.call("bybit.place_order", stop)
    assert (placed["outcome"], placed["order"]["order_status"]) == ("confirmed", "Untriggered"), placed
    cancel = {**spot, "order_id": placed["order_id"]}
    missed = await bot.call("bybit.cancel_order", cancel)
    assert (missed["outcome"], missed["venue_code"]) == ("rejected", "170213")
    assert [(each["field"], each["nearest"]) for each in missed["reasons"]] == [("order_filter", kind)]
    assert missed["order"]["order_status"] == "Untriggered"
    in_batch = {"category": "spot", "request": [{"symbol": "BTCUSDT", "order_id": placed["order_id"]}]}
    ((reason,),) = [each["reasons"] for each in (await bot.call("bybit.cancel_batch_order", in_batch))["orders"]]
    assert (reason["field"], reason["nearest"]) == ("order_filter", kind)
    named = await bot.call("bybit.cancel_order", {**cancel, "order_filter": reason["nearest"]})
    assert (named["outcome"], named["order"]["order_status"]) == ("confirmed", "Deactivated"), named
    plain = await bot.call("bybit.place_order", {**spot, "side": "buy", "qty": "0.001", "price": "50000"})
    other = await bot.call("bybit.cancel_order", {**spot, "order_id": plain["order_id"], "order_filter": kind})
    assert [(each["field"], each["nearest"]) for each in other["reasons"]] == [("order_filter", "Order")]
    nobodys = await bot.call("bybit.cancel_order", {**spot, "order_id": "nobodys"})
    assert [each["field"] for each in nobodys["reasons"]] == ["venue"]


async def test_all_orders_of_a_symbol_are_cancelled(bot: Client) -> None:
    ids = {(await bot.call("bybit.place_order", RESTING))["order_id"] for _ in range(3)}
    everything = await bot.call("bybit.cancel_all_orders", PERPETUAL)
    assert (everything["outcome"], everything["cancelled_count"]) == ("confirmed", 3)
    assert set(everything["order_ids"]) == ids
    assert (await bot.call("bybit.cancel_all_orders", PERPETUAL))["cancelled_count"] == 0


def batch_of(*orders: dict[str, Any]) -> dict[str, Any]:
    bare = [{name: value for name, value in order.items() if name != "category"} for order in orders]
    return {"category": orders[0]["category"], "request": bare}


async def test_a_batch_tells_what_came_of_each_order(bot: Client) -> None:
    too_big = {**RESTING, "qty": "800"}
    taking = {**RESTING, "price": await taking_price(bot), "time_in_force": "PostOnly"}
    placed = await bot.call("bybit.place_batch_order", {**batch_of(RESTING, too_big, taking), "intent": "b"})
    assert (placed["outcome"], placed["confirmed_count"], placed["rejected_count"]) == ("confirmed", 1, 2), placed
    told = [(each["intent"], each["outcome"], each["venue_code"]) for each in placed["orders"]]
    assert told == [
        ("b/0", "confirmed", None),
        ("b/1", "rejected", "110007"),
        ("b/2", "rejected", "EC_PostOnlyWillTakeLiquidity"),
    ]
    known = await bot.call("orders.get_outcome", {"intent": "b/1"})
    assert (known["method"], known["outcome"]) == ("bybit.place_order", "rejected")
    again = await bot.call("bybit.place_batch_order", {**batch_of(RESTING, too_big, taking), "intent": "b"})
    assert again == {**placed, "repeated": True, "orders": [{**each, "repeated": True} for each in placed["orders"]]}
    alone = await bot.call("bybit.place_order", {**RESTING, "intent": "b/0"})
    assert alone == {**placed["orders"][0], "repeated": True}


async def test_orders_are_changed_and_cancelled_in_batches(bot: Client) -> None:
    placed = await bot.call("bybit.place_batch_order", batch_of(RESTING, RESTING))
    ids = [{"symbol": "BTCUSDT", "order_id": each["order_id"]} for each in placed["orders"]]
    changes = [{**each, "price": "58200"} for each in ids]
    changed = await bot.call("bybit.amend_batch_order", {"category": "linear", "request": changes})
    assert [each["order"]["price"] for each in changed["orders"]] == ["58200"] * 2
    gone = [*ids, {"symbol": "BTCUSDT", "order_id": "nobodys"}]
    ended = await bot.call("bybit.cancel_batch_order", {"category": "linear", "request": gone})
    assert [(each["outcome"], each["venue_code"]) for each in ended["orders"]] == [
        ("confirmed", None),
        ("confirmed", None),
        ("rejected", "110001"),
    ]


async def test_what_the_engine_refuses_later_is_told_with_its_reason(bot: Client) -> None:
    taking = {**RESTING, "price": await taking_price(bot), "time_in_force": "PostOnly"}
    post_only = await bot.call("bybit.place_order", taking)
    assert (post_only["outcome"], post_only["venue_code"]) == ("rejected", "EC_PostOnlyWillTakeLiquidity")
    assert post_only["reasons"][0]["field"] == "time_in_force"
    assert post_only["order"]["order_status"] == "Cancelled"
    nothing = await bot.call("bybit.place_order", {**RESTING, "time_in_force": "IOC"})
    assert (nothing["outcome"], nothing["venue_code"]) == ("rejected", "EC_NoImmediateQtyToFill")


async def test_spot_is_bought_for_an_amount_of_quote_coin_that_is_named_so(bot: Client) -> None:
    market = {"category": "spot", "symbol": "BTCUSDT", "side": "buy", "qty": "100", "type": "market"}
    assert await refused(bot, "bybit.place_order", market) == ["market_unit"]
    bought = await bot.call("bybit.place_order", {**market, "market_unit": "quoteCoin"})
    order = bought["order"]
    assert (bought["outcome"], order["order_status"], order["market_unit"]) == (
        "confirmed",
        "PartiallyFilledCanceled",
        "quoteCoin",
    )
    assert 99 < float(order["cum_exec_value"]) <= 100
    sold = await bot.call("bybit.place_order", {**market, "side": "sell", "qty": "0.001", "market_unit": "baseCoin"})
    assert (sold["outcome"], sold["order"]["cum_exec_qty"]) == ("confirmed", "0.001")


async def test_what_breaks_a_rule_is_denied_with_the_nearest_value(bot: Client) -> None:
    async def wrong(**params: Any) -> list[tuple[str, str | None]]:
        return await denied(bot, "bybit.place_order", {**RESTING, **params})

    assert await wrong(qty="0.0001") == [("qty", "0.001")]
    assert await wrong(qty="0.0107") == [("qty", "0.011")]
    assert await wrong(price="58000.03") == [("price", "58000")]
    assert (await wrong(price="1"))[0] == ("qty", "5")
    assert await wrong(position_idx=1) == [("position_idx", "0")]
    assert await wrong(symbol="NOSUCHUSDT") == [("symbol", None)]
    assert await wrong(symbol="BTCPERP", position_idx=2) == [("position_idx", "0")]
    cheap = {"category": "spot", "symbol": "BTCUSDT", "side": "buy", "qty": "0.00001", "price": "58000"}
    ((field, nearest),) = await denied(bot, "bybit.place_order", cheap)
    assert (field, nearest) == ("qty", "0.000087")
    amount = {**cheap, "type": "market", "market_unit": "quoteCoin", "qty": "1"}
    del amount["price"]
    assert await denied(bot, "bybit.place_order", amount) == [("qty", "5")]
    batch = await denied(bot, "bybit.place_batch_order", batch_of(RESTING, {**RESTING, "qty": "0.0001"}))
    assert batch == [("request.1.qty", "0.001")]


async def test_what_the_params_alone_show_wrong_is_an_error_that_names_the_field(bot: Client) -> None:
    async def wrong(**params: Any) -> list[str]:
        return await refused(bot, "bybit.place_order", {**RESTING, **params})

    assert await wrong(price=None) == ["price"]
    assert await wrong(type="market") == ["price"]
    assert await wrong(market_unit="baseCoin") == ["market_unit"]
    assert await wrong(category="spot", reduce_only=True) == ["reduce_only"]
    assert await wrong(trigger_price="70000") == ["trigger_direction"]
    assert await wrong(is_leverage=True) == ["is_leverage"]
    assert await wrong(category="futures") == ["category"]
    eleven = {**batch_of(*[RESTING] * 11), "category": "spot"}
    assert await refused(bot, "bybit.place_batch_order", eleven) == ["request"]
    assert await refused(bot, "bybit.place_batch_order", batch_of(*[RESTING] * 21)) == ["request"]
    twice = batch_of({**RESTING, "intent": "same"}, {**RESTING, "intent": "same"})
    assert await refused(bot, "bybit.place_batch_order", twice) == ["request.1.intent"]
    nested = batch_of(RESTING, {**RESTING, "is_leverage": True})
    assert await refused(bot, "bybit.place_batch_order", nested) == ["request.1.is_leverage"]
    filtered = {"category": "linear", "request": [{"symbol": "BTCUSDT", "order_id": "1", "order_filter": "Order"}]}
    assert await refused(bot, "bybit.cancel_batch_order", filtered) == ["request.0.order_filter"]
    long_link = {**PERPETUAL, "order_link_id": "x" * 37}
    assert await refused(bot, "bybit.cancel_order", long_link) == ["order_link_id"]
    assert await refused(bot, "bybit.cancel_order", {**PERPETUAL, "order_id": "1", "order_filter": "Order"}) == [
        "order_filter"
    ]


async def test_a_conditional_order_waits_for_its_trigger(bot: Client) -> None:
    stop = {**PERPETUAL, "side": "sell", "qty": "0.01", "type": "market", "trigger_price": "40000"}
    placed = await bot.call("bybit.place_order", {**stop, "trigger_direction": 2, "trigger_by": "MarkPrice"})
    assert (placed["outcome"], placed["order"]["order_status"]) == ("confirmed", "Untriggered")
    change = {**PERPETUAL, "order_link_id": placed["client_order_id"], "trigger_price": "41000"}
    changed = await bot.call("bybit.amend_order", change)
    assert (changed["outcome"], changed["order"]["trigger_price"]) == ("confirmed", "41000")
    for by in ("LastPrice", "IndexPrice", "MarkPrice"):
        fires = {**stop, "trigger_direction": 1, "trigger_by": by}
        ((field, nearest),) = await denied(bot, "bybit.place_order", fires)
        assert (field, nearest is not None and float(nearest) > 41000) == ("trigger_price", True)
    batch = batch_of({**stop, "trigger_direction": 2}, {**stop, "trigger_direction": 1})
    assert [field for field, _ in await denied(bot, "bybit.place_batch_order", batch)] == ["request.1.trigger_price"]
    above = {**change, "trigger_price": "900000"}
    assert [field for field, _ in await denied(bot, "bybit.amend_order", above)] == ["trigger_price"]


async def test_exits_of_an_order_are_on_the_right_side(bot: Client) -> None:
    async def wrong(**params: Any) -> list[str]:
        return [field for field, _ in await denied(bot, "bybit.place_order", {**RESTING, **params})]

    assert await wrong(take_profit="57000") == ["take_profit"]
    assert await wrong(stop_loss="900000") == ["stop_loss"]
    assert await wrong(take_profit="900000", stop_loss="950000") == ["stop_loss", "stop_loss"]
    placed = await bot.call("bybit.place_order", {**RESTING, "take_profit": "900000", "stop_loss": "40000"})
    assert placed["outcome"] == "confirmed", placed
    change = {**PERPETUAL, "order_id": placed["order_id"], "stop_loss": "900000"}
    assert [field for field, _ in await denied(bot, "bybit.amend_order", change)] == ["stop_loss"]
    gone = await bot.call("bybit.amend_order", {**change, "stop_loss": "0"})
    assert (gone["outcome"], gone["order"]["stop_loss"]) == ("confirmed", None)


async def test_a_check_shows_what_would_be_sent(bot: Client) -> None:
    checked = await bot.call("orders.check", {"method": "bybit.place_order", "params": RESTING})
    assert checked["would_send"] is True
    assert checked["wire"]["params"]["side"] == "Buy"
    assert len(checked["client_order_id"]) <= 36
