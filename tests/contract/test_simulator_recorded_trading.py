"""The simulated Deribit's trading beside recorded and documented answers: nothing is missing, no type differs.

The documentation's samples are of many years, so an answer here may tell more than they do. What they tell and the
simulator does not is listed below with the reason, nowhere else.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.raw_deribit import Json
from tests.contract.shapes import differences, load, same, shape
from tests.support.trading_day import PERPETUAL, TradingDay

pytestmark = pytest.mark.recorded

OLD = {
    "max_show",  # the older name of display_amount, which only icebergs tell today
    "is_rebalance",  # spot under cross collateral
    "socialized",
}
CROSS = {  # of cross margin models, which the simulator does not have
    "total_equity_usd",
    "total_initial_margin_usd",
    "total_maintenance_margin_usd",
    "total_margin_balance_usd",
    "total_delta_total_usd",
    "available_subaccount_transfer_funds",
}


def tells(ours: object, theirs: object, besides: set[str] = OLD) -> None:
    """Hold an answer against a sample: each of its keys is here, and of its type."""
    found = differences(shape(ours), shape(theirs))
    missing = [
        d for d in found if not d.endswith(" is only ours") and d.split(" ")[0].rpartition(".")[2] not in besides
    ]
    assert missing == []


def sample(recorded: Path, method: str, old: bool = False) -> Any:
    name = "doc_examples_methods_2025.json" if old else "doc_examples_methods.json"
    entry = load(recorded, name)[method]
    return (entry if old else entry["response"])["result"]


async def test_recorded_orders(recorded: Path, day: TradingDay) -> None:
    theirs = load(recorded, "private_orders_ETH_USDC-PERPETUAL_mainnet_20260109.json")
    price = round((await day.ticker("ETH_USDC-PERPETUAL"))["mark_price"] * 0.9, 1)
    post: Json = {"amount": 0.1, "post_only": True, "label": "x"}
    bought = await day.buy("ETH_USDC-PERPETUAL", price=price, **post)
    same(bought, theirs["private/buy"]["result"])
    same(await day.sell("ETH_USDC-PERPETUAL", price=price * 2 // 1, **post), theirs["private/sell"]["result"])
    edited = await day.call("private/edit", order_id=bought["order"]["order_id"], amount=0.1, price=price - 1)
    same(edited, theirs["private/edit"]["result"])
    cancelled = await day.call("private/cancel", order_id=bought["order"]["order_id"])
    same(cancelled, theirs["private/cancel"]["result"])
    stop = await day.sell(
        "ETH_USDC-PERPETUAL",
        amount=0.1,
        type="stop_market",
        trigger="mark_price",
        trigger_price=price,
        reduce_only=True,
    )
    stop_sample = theirs["private/sell stop_market (edited by the project, shape only)"]["result"]
    tells(stop, stop_sample)
    groups = await day.call("private/cancel_all", detailed=True)
    detailed = load(recorded, "cancel_all_detailed_BTC_USDC_20240510.json")["result"]
    tells(groups, detailed)


async def test_documented_orders_and_trades(recorded: Path, day: TradingDay) -> None:
    option = (await day.option())["instrument_name"]
    taken = await day.buy(option, amount=1, type="market", label="m")
    tells(taken, sample(recorded, "private/buy", old=True))
    tells(
        await day.call("private/close_position", instrument_name=option, type="market"),
        sample(recorded, "private/close_position"),
    )
    adv = await day.buy(option, amount=1, price=20, advanced="implv")
    changed = await day.call("private/edit", order_id=adv["order"]["order_id"], amount=2, price=21, advanced="implv")
    tells(changed, sample(recorded, "private/edit", old=True))
    tells(await day.call("private/get_open_orders"), sample(recorded, "private/get_open_orders"))
    index = (await day.ticker())["index_price"]
    stop = await day.sell(
        amount=10, type="stop_market", trigger="index_price", trigger_price=round(index * 0.95), label="s"
    )
    tells(await day.call("private/cancel", order_id=stop["order"]["order_id"]), sample(recorded, "private/cancel"))
    trigger: Json = {"trigger": "index_price", "trigger_price": round(index * 0.95)}
    priced = await day.sell(amount=10, type="stop_limit", price=round(index * 0.94), **trigger)
    await day.call("private/cancel", order_id=priced["order"]["order_id"])
    history = await day.call("private/get_trigger_order_history", currency="BTC")
    tells(history, sample(recorded, "private/get_trigger_order_history"), OLD | {"continuation"})
    for method, params in (
        ("private/get_user_trades_by_currency", {"currency": "BTC"}),
        ("private/get_user_trades_by_instrument", {"instrument_name": option}),
        ("private/get_user_trades_by_order", {"order_id": taken["order"]["order_id"]}),
        ("private/get_order_history_by_currency", {"currency": "BTC"}),
        ("private/get_order_history_by_instrument", {"instrument_name": option}),
        ("private/get_order_margin_by_ids", {"ids": [adv["order"]["order_id"]]}),
        ("private/get_margins", {"instrument_name": PERPETUAL, "amount": 10, "price": 50_000}),
        ("private/get_cancel_on_disconnect", {}),
    ):
        tells(await day.call(method, **params), sample(recorded, method))


async def test_documented_positions_and_accounts(recorded: Path, day: TradingDay) -> None:
    await day.buy(amount=50, type="market")
    positions = await day.call("private/get_positions", currency="BTC", kind="future")
    tells(positions, sample(recorded, "private/get_positions"))
    tells(positions[0], sample(recorded, "private/get_position"))
    option = (await day.option())["instrument_name"]
    await day.buy(option, amount=1, type="market")
    zero = load(recorded, "position_option_zero_testnet_20190805.json")
    tells(await day.call("private/get_position", instrument_name=option), zero.get("result", zero))
    tells(
        await day.call("private/get_account_summary", currency="BTC", extended=True),
        sample(recorded, "private/get_account_summary"),
    )
    tells(
        await day.call("private/get_account_summaries", extended=True),
        sample(recorded, "private/get_account_summaries"),
    )
    imagined = await day.call(
        "private/simulate_portfolio", currency="BTC", simulated_positions={PERPETUAL: 100, option: 1}
    )
    tells(imagined, sample(recorded, "private/simulate_portfolio"), CROSS)


async def test_documented_settlements_and_log(recorded: Path, day: TradingDay) -> None:
    option = (await day.option())["instrument_name"]
    await day.buy(option, amount=1, type="market")
    await day.buy(amount=1_520, type="market")
    await day.market(advance_s=86_400)
    theirs = {line["type"]: line for line in sample(recorded, "private/get_transaction_log")["logs"]}
    ours = await day.call(
        "private/get_transaction_log", currency="BTC", start_timestamp=0, end_timestamp=4_000_000_000_000
    )
    lines = {line["type"]: line for line in ours["logs"]}
    assert isinstance(sample(recorded, "private/get_transaction_log")["continuation"], int)
    for kind in ("trade", "settlement"):
        tells(lines[kind], theirs[kind], {"ip", "info"})
    assert isinstance(lines["settlement"]["info"], dict)
    history = await day.call("private/get_settlement_history_by_currency", currency="BTC", type="settlement")
    tells(history, sample(recorded, "private/get_settlement_history_by_currency"), OLD | {"continuation"})
    by_name = await day.call("private/get_settlement_history_by_instrument", instrument_name=PERPETUAL)
    tells(by_name, sample(recorded, "private/get_settlement_history_by_instrument"), OLD | {"continuation"})


async def test_recorded_combo_trades_and_documented_channels(recorded: Path, day: TradingDay) -> None:
    combos = await day.call("public/get_combos", currency="BTC")
    name = next(c["id"] for c in combos if c["id"].split("-")[1] != "FS")
    trade = (await day.buy(name, amount=0.1, type="market"))["trades"][0]
    theirs = load(recorded, "trades_combo_testnet_20260518.json")
    public = await day.call("public/get_last_trades_by_instrument", instrument_name=name, count=1)
    tells(public, theirs["public/get_last_trades_by_instrument option_combo"]["result"])
    channel = load(recorded, "doc_examples_ws_notifications.json")["user.combo_trades.future_combo.BTC.raw"]
    told = channel[0]["params"]["data"][0]
    tells(trade, told)
    tells(trade["legs"][0], told["legs"][0])
    portfolio = load(recorded, "user_portfolio_ws_mainnet.json")["params"]["data"]
    tells(await day.summary(), portfolio, CROSS)
