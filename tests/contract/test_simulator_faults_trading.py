"""Every private method of the simulated Deribit under the fault plan: lost before, lost after, answered twice, refused.

What a method does is told by what changed at the venue, read over a connection that no rule means.
"""

from typing import Any

import aiohttp
import orjson
import pytest

from cerberod.simulator.deribit.cancels import METHODS as CANCELS
from cerberod.simulator.deribit.combo_methods import WRITES as COMBO_WRITES
from cerberod.simulator.deribit.disconnecting import METHODS as DISCONNECTING
from cerberod.simulator.deribit.money import ACCOUNT_READS
from cerberod.simulator.deribit.private import METHODS as TRADING
from cerberod.simulator.deribit.reports import ORDER_READS
from tests.contract.raw_deribit import Json, RawDeribit, connected
from tests.support.trading_day import HERE, PERPETUAL, TradingDay

ORDER: Json = {"instrument_name": PERPETUAL, "amount": 10, "price": 50_000}
LABEL: Json = {"label": "mine"}
CURRENCY: Json = {"currency": "BTC"}
NAME: Json = {"instrument_name": PERPETUAL}
CHANGE: Json = {"amount": 20, "price": 50_001}

WRITES: dict[str, Json] = {
    "private/buy": ORDER,
    "private/sell": {
        "instrument_name": PERPETUAL,
        "amount": 10,
        "type": "stop_market",
        "trigger": "index_price",
        "trigger_price": 20_000,
    },
    "private/edit": CHANGE,  # and the order's id
    "private/edit_by_label": NAME | LABEL | CHANGE,
    "private/close_position": NAME | {"type": "market"},
    "private/cancel": {},  # and the order's id
    "private/cancel_all": {},
    "private/cancel_all_by_currency": CURRENCY,
    "private/cancel_all_by_currency_pair": {"currency_pair": "BTC_USD"},
    "private/cancel_all_by_instrument": NAME,
    "private/cancel_all_by_kind_or_type": CURRENCY | {"kind": "future"},
    "private/cancel_by_label": LABEL,
    "private/create_combo": {},  # and the legs
    "private/enable_cancel_on_disconnect": {"scope": "account"},
    "private/disable_cancel_on_disconnect": {"scope": "account"},
}


def test_every_write_of_the_venue_is_here() -> None:
    reads = {"private/get_cancel_on_disconnect"}
    assert set(WRITES) == {*TRADING, *CANCELS, *COMBO_WRITES, *DISCONNECTING} - reads


async def fault(day: TradingDay, verb: str, method: str, **more: Any) -> None:
    body = {"verb": verb, "method": method, "times": 1} | more
    async with day.http.post(day.simulator.urls["control"] + "/faults", json=body) as answer:
        assert answer.status == 200, await answer.text()


async def seen(day: TradingDay) -> Json:
    """Return all that a write may change."""
    async with day.http.get(day.simulator.urls["control"] + "/orders") as answer:
        told: Json = (await answer.json())[HERE]
    return told | {
        "combos": sorted(await day.call("public/get_combo_ids", currency="BTC")),
        "switch": await day.call("private/get_cancel_on_disconnect", scope="account"),
    }


async def prepared(day: TradingDay, method: str) -> Json:
    """Hold a position and an open order, so that every write has something to do; return the write's parameters."""
    if method == "private/disable_cancel_on_disconnect":
        await day.call("private/enable_cancel_on_disconnect", scope="account")
    await day.buy(amount=100, type="market")
    order = (await day.buy(**{k: v for k, v in ORDER.items() if k != "instrument_name"}, label="mine"))["order"]
    params = dict(WRITES[method])
    if method in ("private/edit", "private/cancel"):
        params["order_id"] = order["order_id"]
    if method == "private/create_combo":
        rows = await day.call("public/get_instruments", currency="BTC", kind="option")
        last = [r["instrument_name"] for r in rows if r["expiration_timestamp"] == rows[-1]["expiration_timestamp"]]
        params["trades"] = [
            {"instrument_name": last[0], "amount": 1, "direction": "buy"},
            {"instrument_name": last[-2], "amount": 1, "direction": "sell"},
        ]
    return params


async def send(raw: RawDeribit, method: str, params: Json) -> None:
    await raw.send(orjson.dumps({"jsonrpc": "2.0", "id": 4_711, "method": method, "params": params}).decode())


@pytest.mark.parametrize("method", WRITES)
async def test_a_write_that_is_cut_off_has_its_effect_or_none(day: TradingDay, method: str) -> None:
    params = await prepared(day, method)
    before = await seen(day)
    for verb in ("cut_before", "cut_after"):
        await fault(day, verb, method)
        async with connected(day.simulator.urls[HERE]) as victim:
            await victim.log_in(day.simulator.credentials[HERE])
            await send(victim, method, params)
            message = await victim.socket.receive(timeout=10)
            assert message.type is not aiohttp.WSMsgType.TEXT
        assert (await seen(day) == before) is (verb == "cut_before"), verb


@pytest.mark.parametrize("method", WRITES)
async def test_a_write_whose_answer_is_lost_or_refused_after_the_fact(day: TradingDay, method: str) -> None:
    params = await prepared(day, method)
    before = await seen(day)
    await fault(day, "error", method, code=10040)
    assert (await day.raw.error(method, **params))["code"] == 10040
    assert await seen(day) == before, "the venue refused and did nothing"
    await fault(day, "drop_answer", method)
    await send(day.raw, method, params)
    await day.call("public/test")
    assert day.raw.notifications == []
    assert await seen(day) != before, "it happened all the same"


READS: dict[str, Json] = {
    "private/get_open_orders_by_instrument": NAME,
    "private/get_open_orders_by_label": CURRENCY | LABEL,
    "private/get_order_state_by_label": CURRENCY | LABEL,
    "private/get_order_history_by_instrument": NAME,
    "private/get_order_margin_by_ids": {"ids": ["104819000001"]},
    "private/get_order_state": {"order_id": "104819000001"},
    "private/get_user_trades_by_currency_and_time": CURRENCY
    | {"start_timestamp": 0, "end_timestamp": 2_000_000_000_000},
    "private/get_user_trades_by_instrument_and_time": NAME | {"start_timestamp": 0, "end_timestamp": 2_000_000_000_000},
    "private/get_user_trades_by_instrument": NAME,
    "private/get_user_trades_by_order": {"order_id": "104819000001"},
    "private/get_position": NAME,
    "private/get_margins": NAME | {"amount": 10, "price": 50_000},
    "private/get_settlement_history_by_instrument": NAME,
    "private/get_transaction_log": CURRENCY | {"start_timestamp": 0, "end_timestamp": 2_000_000_000_000},
}


async def test_every_read_may_come_late_twice_and_broken(day: TradingDay) -> None:
    await day.buy(amount=100, type="market")
    for method in (*ORDER_READS, *ACCOUNT_READS):
        params = READS.get(method, CURRENCY)
        whole = await day.call(method, **params)
        assert whole is not None
        day.clock.advance(seconds=1)
        await fault(day, "answer_twice", method)
        await send(day.raw, method, params)
        assert await day.raw.receive() == await day.raw.receive()
        day.clock.advance(seconds=1)
        await fault(day, "garbage", method)
        await send(day.raw, method, params)
        with pytest.raises(orjson.JSONDecodeError):
            await day.raw.receive()
        day.clock.advance(seconds=1)
