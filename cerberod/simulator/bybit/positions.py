"""Positions and their settings: leverage, stops, mode, closed profit, and protection on disconnect."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from cerberod.simulator.bybit import checks
from cerberod.simulator.bybit.account import CREATED_MS
from cerberod.simulator.bybit.calls import Call, Record, Routes, instrument_of
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.orders import Trigger
from cerberod.simulator.bybit.paging import page, window
from cerberod.simulator.bybit.trading import protection
from cerberod.simulator.bybit.wallet import Holding
from cerberod.simulator.bybit.wire import PARAMETER, Reply, VenueError, bad, plain
from cerberod.simulator.matching import ZERO, Side

_CONTRACTS = ("linear", "inverse")
_PRODUCTS = ("OPTIONS", "DERIVATIVES", "SPOT")


def positions(call: Call) -> Reply:
    p, exchange = call.params, call.exchange
    category = p.category((*_CONTRACTS, "option"))
    settle, base = p.text("settleCoin"), p.text("baseCoin")
    if p.has("symbol"):
        found = _of_symbol(call, instrument_of(call, category))
    elif category == "linear" and not settle:
        raise VenueError(PARAMETER, "params error: symbol or settleCoin is required")
    else:
        found = [
            h
            for h in exchange.account.holdings.values()
            if h.size
            and h.instrument.category == category
            and settle in ("", h.instrument.settle)
            and base in ("", h.instrument.base)
        ]
    rows, cursor = page(found, p, p.limit(20, 200), lambda h: f"{h.instrument.symbol},{h.idx}")
    return Reply({"nextPageCursor": cursor, "category": category, "list": [position_row(call, h) for h in rows]})


def _of_symbol(call: Call, instrument: Instrument) -> list[Holding]:
    """Return a symbol's positions, flat ones too; in hedge mode there are two. A flat option has none."""
    account = call.exchange.account
    indexes = (1, 2) if account.is_hedged(instrument) else (0,)
    held = [account.holdings.get((*instrument.key, idx), Holding(instrument, idx)) for idx in indexes]
    return [h for h in held if h.size] if instrument.option else held


def position_row(call: Call, held: Holding) -> Record:
    """Return a position as the venue tells it: much of a flat one is empty text."""
    i, exchange = held.instrument, call.exchange
    mark, _ = exchange.margin.price(i)
    initial, maintenance = exchange.margin.of_holding(held)
    flat = held.size == 0
    p = held.protection
    value = "" if flat else plain(round(held.worth(held.average), 8))
    out: Record = {
        "symbol": i.symbol,
        "leverage": "" if i.option else plain(exchange.account.leverage(i)),
        "autoAddMargin": 0,
        "avgPrice": plain(round(held.average, 8)),
        "liqPrice": "",
        "riskLimitValue": "" if i.option else plain(checks.RISK_LIMIT),
        "takeProfit": _price(p.take_profit),
        "positionValue": value,
        "isReduceOnly": False,
        "tpslMode": p.mode or "Full",
        "riskId": 0 if i.option else 1,
        "trailingStop": plain(held.trailing),
        "unrealisedPnl": "" if flat else plain(round(held.floating(mark), 8)),
        "markPrice": i.price_text(mark),
        "adlRankIndicator": 0 if flat else 2,
        "cumRealisedPnl": plain(round(held.realised, 8)),
        "curRealisedPnl": plain(round(held.realised_now, 8)),
        "positionMM": plain(round(maintenance, 8)),
        "positionMMByMp": plain(round(maintenance, 8)),
        "createdTime": str(held.created_ms or CREATED_MS),
        "positionIdx": held.idx,
        "positionIM": plain(round(initial, 8)),
        "positionIMByMp": plain(round(initial, 8)),
        "seq": held.seq or -1,
        "updatedTime": str(held.updated_ms or CREATED_MS),
        "openTime": held.opened_ms if not flat else 0,
        "side": "" if flat else "Buy" if held.size > 0 else "Sell",
        "bustPrice": "",
        "positionBalance": "0" if flat else plain(round(initial, 8)),
        "leverageSysUpdatedTime": "",
        "size": plain(abs(held.size)),
        "positionStatus": "Normal",
        "mmrSysUpdatedTime": "",
        "stopLoss": _price(p.stop_loss),
        "tradeMode": 0,
        "sessionAvgPrice": "" if i.settle != "USDC" or flat else plain(round(held.average, 8)),
        "breakEvenPrice": "" if flat else plain(round(held.average, 8)),
    }
    if i.option:
        greeks = exchange.quotes.mark(i)
        size = float(held.size)
        for name, each in (
            ("delta", greeks.delta),
            ("gamma", greeks.gamma),
            ("vega", greeks.vega),
            ("theta", greeks.theta),
        ):
            out[name] = plain(Decimal(repr(round(each * size, 8))))
    return out


def _price(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


# Settings


def set_leverage(call: Call) -> Reply:
    p, account = call.params, call.exchange.account
    i = instrument_of(call, p.category(_CONTRACTS))
    buy, sell = p.decimal("buyLeverage"), p.decimal("sellLeverage")
    if buy is None or sell is None:
        raise VenueError(PARAMETER, "params error: buyLeverage and sellLeverage are required")
    if buy != sell:
        raise VenueError(PARAMETER, "buy leverage invalid: both sides must be equal in cross margin")
    if buy < 1:
        raise bad("buyLeverage")
    if buy > i.leverage or buy % Decimal("0.01") != 0:
        raise VenueError(110013)
    if account.leverage(i) == buy:
        raise VenueError(110043)
    account.leverages[i.key] = buy
    return Reply({})


def switch_mode(call: Call) -> Reply:
    """One-way or hedge mode, which only USDT perpetuals have; by coin, what has positions or orders is left out."""
    p, exchange = call.params, call.exchange
    p.category(("linear",))
    mode = p.whole("mode")
    if mode not in (0, 3):
        raise VenueError(PARAMETER, "params error: position_mode invalid")
    hedged = exchange.account.hedged
    if p.has("symbol"):
        i = instrument_of(call, "linear")
        if not _may_hedge(i):
            raise VenueError(110029)
        if (i.symbol in hedged) is (mode == 3):
            raise VenueError(110025)
        if _has_position(call, i):
            raise VenueError(110024)
        if _has_orders(call, i):
            raise VenueError(110028)
        chosen = [i]
    else:
        coin = p.required("coin")
        chosen = [
            i
            for i in exchange.catalogue.live("linear").values()
            if _may_hedge(i) and i.settle == coin and not _has_position(call, i) and not _has_orders(call, i)
        ]
    symbols = {i.symbol for i in chosen}
    exchange.account.hedged = hedged | symbols if mode == 3 else hedged - symbols
    return Reply({})


def _may_hedge(i: Instrument) -> bool:
    return i.perpetual and i.settle == "USDT"


def _has_position(call: Call, i: Instrument) -> bool:
    return any(call.exchange.account.size(i, idx) for idx in (0, 1, 2))


def _has_orders(call: Call, i: Instrument) -> bool:
    return any(o.instrument.key == i.key for o in call.exchange.blotter.open_orders())


def trading_stop(call: Call) -> Reply:
    """Set, change or ("0") remove a position's take profit, stop loss and trailing stop."""
    p, exchange = call.params, call.exchange
    i = instrument_of(call, p.category((*_CONTRACTS, "option")))
    idx = p.whole("positionIdx", 0) or 0
    checks.check_idx(i, idx, exchange.account.is_hedged(i))
    held = exchange.account.holdings.get((*i.key, idx))
    if held is None or not held.size:
        raise VenueError(PARAMETER, "can not set tp/sl/ts for zero position")
    wanted = protection(p, held.protection)
    trailing = p.decimal("trailingStop")
    distance = held.trailing if trailing is None else trailing
    partial = p.text("tpslMode") == "Partial"
    if not partial and replace(wanted, mode="") == replace(held.protection, mode="") and distance == held.trailing:
        raise VenueError(34040)
    mark, _ = exchange.margin.price(i)
    checks.check_protection(i, Side.BUY if held.size > 0 else Side.SELL, wanted, mark)
    if partial:
        _partial(call, held)
    elif wanted != held.protection:
        exchange.events.protect(held, wanted)
    if distance != held.trailing:
        if distance < 0 or distance % i.tick != 0:
            raise bad("trailingStop")
        held.trailing, held.extreme, held.active_price = distance, None, p.decimal("activePrice")
    held.updated_ms = exchange.quotes.now_ms()
    return Reply({})


def _partial(call: Call, held: Holding) -> None:
    """Add stops for a part of the position; those there were stay."""
    p = call.params
    long = held.size > 0
    for name, price_name, size_name, limit_name, by_name in (
        ("PartialTakeProfit", "takeProfit", "tpSize", "tpLimitPrice", "tpTriggerBy"),
        ("PartialStopLoss", "stopLoss", "slSize", "slLimitPrice", "slTriggerBy"),
    ):
        price = p.decimal(price_name)
        if not price:
            continue
        size = p.decimal(size_name)
        if size is None or not ZERO < size <= abs(held.size):
            raise bad(size_name)
        trigger = Trigger(price, rises=(name == "PartialTakeProfit") == long, by=p.text(by_name, "LastPrice"))
        call.exchange.events.stop(held, name, trigger, size, p.decimal(limit_name) or None)


def closed_pnl(call: Call) -> Reply:
    p = call.params
    category = p.category((*_CONTRACTS, "option"))
    start, end = window(p, call.exchange.quotes.now_ms())
    symbol = p.text("symbol")
    found = [
        row
        for row in reversed(call.exchange.ledger.closed.values())
        if row.order.instrument.category == category
        and symbol in ("", row.order.instrument.symbol)
        and start <= row.updated_ms <= end
    ]
    rows, cursor = page(found, p, p.limit(50, 100), lambda row: row.order.order_id)
    return Reply({"nextPageCursor": cursor, "category": category, "list": [row.record() for row in rows]})


# Protection on disconnect. It watches the private stream, which this simulator does not have: it is only remembered.


def set_disconnect_protection(call: Call) -> Reply:
    seconds = call.params.whole("timeWindow")
    if seconds is None or not 3 <= seconds <= 300:
        raise bad("timeWindow")
    product = call.params.choice("product", _PRODUCTS, "OPTIONS")
    call.exchange.protections[product] = seconds
    return Reply({}, message="success")


def disconnect_protection(call: Call) -> Reply:
    rows = [
        {"product": product, "dcpStatus": "ON", "timeWindow": str(seconds)}
        for product, seconds in call.exchange.protections.items()
    ]
    return Reply({"dcpInfos": rows}, message="success")


READS: Final[Routes] = {
    "/v5/position/list": positions,
    "/v5/position/closed-pnl": closed_pnl,
    "/v5/account/query-dcp-info": disconnect_protection,
}
WRITES: Final[Routes] = {
    "/v5/position/set-leverage": set_leverage,
    "/v5/position/switch-mode": switch_mode,
    "/v5/position/trading-stop": trading_stop,
    "/v5/order/disconnected-cancel-all": set_disconnect_protection,
}
