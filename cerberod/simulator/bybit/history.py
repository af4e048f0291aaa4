"""The public past: klines, funding, open interest, the ratio of accounts, trades, deliveries. Newest first."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, quote

from cerberod.simulator.bybit import calendar
from cerberod.simulator.bybit.calls import Call, Record, Routes, chosen, instrument_of
from cerberod.simulator.bybit.events import delivered_index
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.listing import OPTION_COINS
from cerberod.simulator.bybit.paging import page
from cerberod.simulator.bybit.params import Params
from cerberod.simulator.bybit.tape import Row
from cerberod.simulator.bybit.wire import PARAMETER, Reply, VenueError, bad, number, plain
from cerberod.simulator.market import DAY_MS, HISTORY_START_MS, HOUR_MS
from cerberod.simulator.noise import key_of

_MINUTE_MS = 60_000
_MINUTES = (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)
_INTERVALS: Final = {str(minutes): minutes * _MINUTE_MS for minutes in _MINUTES} | {
    "D": DAY_MS,
    "W": 7 * DAY_MS,
    "M": 0,
}
_PERIODS: Final = {
    "5min": 5 * _MINUTE_MS,
    "15min": 15 * _MINUTE_MS,
    "30min": 30 * _MINUTE_MS,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
    "1d": DAY_MS,
}
_VOLATILITY_KEPT_MS: Final = 730 * DAY_MS
_MONDAY_MS: Final = 4 * DAY_MS  # 1970-01-05
_CONTRACTS = ("linear", "inverse")


# Klines


def bar_starts(interval: str, start_ms: int, end_ms: int, count: int, forward: bool) -> list[int]:
    """Return when bars begin, ascending: `count` of them from the start on, or up to the end."""
    start_ms = max(start_ms, HISTORY_START_MS)
    if start_ms > end_ms:
        return []
    if interval == "M":
        found = _months(start_ms, end_ms)
        return found[:count] if forward else found[-count:]
    step, offset = _INTERVALS[interval], _MONDAY_MS if interval == "W" else 0
    first, last = -(-(start_ms - offset) // step), (end_ms - offset) // step
    if forward:
        last = min(last, first + count - 1)
    else:
        first = max(first, last - count + 1)
    return [n * step + offset for n in range(first, last + 1)]


def _months(start_ms: int, end_ms: int) -> list[int]:
    day = calendar.moment(start_ms)
    year, month, found = day.year, day.month, list[int]()
    while (begin := int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1_000)) <= end_ms:
        if begin >= start_ms:
            found.append(begin)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


def _bar_end(interval: str, start_ms: int) -> int:
    if interval != "M":
        return start_ms + _INTERVALS[interval]
    return _months(start_ms + 1, start_ms + 32 * DAY_MS)[0]


async def _bars(call: Call, category: str, kind: str, most: int) -> tuple[Instrument, list[Row]]:
    p = call.params
    i = instrument_of(call, category)
    interval = p.required_choice("interval", tuple(_INTERVALS))
    now_ms = call.exchange.quotes.now_ms()
    count = p.limit(200, most)
    start, end = p.whole("start"), p.whole("end")
    if start is not None and end is not None and end < start:
        raise VenueError(PARAMETER, "Invalid period!")
    until = now_ms if end is None else min(now_ms, end)
    forward = start is not None and end is None
    starts = bar_starts(interval, max(start or 0, i.launch_ms), until, count, forward)
    if not starts:
        return i, []
    rows = await call.exchange.tape.klines(i, starts, _bar_end(interval, starts[-1]), kind)
    return i, rows[::-1]


def _text(i: Instrument, price: float, kind: str) -> str:
    if kind == "last":
        return plain(i.on_grid(price))
    return number(price, 6 if kind == "premium" else max(i.places, 2))


async def kline(call: Call) -> Reply:
    category = call.params.category(("spot", *_CONTRACTS), "linear")
    i, rows = await _bars(call, category, "last", 1_000)
    told = [
        [str(start), *(_text(i, price, "last") for price in prices), number(volume, 6), number(turnover, 8)]
        for start, *prices, volume, turnover in rows
    ]
    return Reply({"symbol": i.symbol, "category": category, "list": told})


def _price_klines(kind: str, categories: Sequence[str]) -> Any:
    async def method(call: Call) -> Reply:
        category = call.params.category(categories, "linear")
        i, rows = await _bars(call, category, kind, 500 if category == "option" else 1_000)
        told = [[str(row[0]), *(_text(i, price, kind) for price in row[1:5])] for row in rows]
        return Reply({"symbol": i.symbol, "category": category, "list": told})

    return method


# Series in time


def _times(p: Params, step_ms: int, now_ms: int, default: int, most: int) -> tuple[list[int], str]:
    """Return a page of a regular series' times, newest first, and the cursor of the next."""
    count = p.limit(default, most)
    start, end = p.whole("startTime"), p.whole("endTime")
    until = min(now_ms, now_ms if end is None else end)
    cursor = p.cursor()
    if cursor:
        given = parse_qs(cursor).get("lasttime", [""])[0]
        if not given.isdigit() or len(given) > 13:
            raise bad("cursor")
        until = min(until, int(given) * 1_000 - 1)
    first = max(start or 0, HISTORY_START_MS)
    last = until // step_ms * step_ms
    found = [time_ms for time_ms in range(last, last - count * step_ms, -step_ms) if time_ms >= first]
    if not found or found[-1] - step_ms < first:
        return found, ""
    return found, quote(f"lastid=0&lasttime={found[-1] // 1_000}", safe="")


def funding_history(call: Call) -> Reply:
    p = call.params
    category = p.category(_CONTRACTS)
    i = instrument_of(call, category)
    if not i.perpetual:
        raise VenueError(PARAMETER, "Not supported symbols")
    start, end = p.whole("startTime"), p.whole("endTime")
    if start is not None and end is None:
        raise VenueError(PARAMETER, "params error: endTime is required with startTime")
    if start is not None and end is not None and start > end:
        raise VenueError(PARAMETER, "params error: startTime invalid")
    now_ms = call.exchange.quotes.now_ms()
    until = min(now_ms, now_ms if end is None else end)
    count = p.limit(200, 200)
    span_ms = count * i.funding_min * _MINUTE_MS
    since = max(start or 0, HISTORY_START_MS, i.launch_ms, until - span_ms)
    times = call.exchange.tape.funding_times(i, since - 1, until)[-count:]
    rates = call.exchange.tape.funding_rates(i, times)
    rows = [
        {"symbol": i.symbol, "fundingRate": number(rate, 8), "fundingRateTimestamp": str(time_ms)}
        for time_ms, rate in zip(times, rates, strict=True)
    ]
    return Reply({"category": category, "list": rows[::-1]})


def open_interest(call: Call) -> Reply:
    p = call.params
    category = p.category(_CONTRACTS)
    i = instrument_of(call, category)
    step_ms = _PERIODS[p.required_choice("intervalTime", tuple(_PERIODS))]
    times, cursor = _times(p, step_ms, call.exchange.quotes.now_ms(), 50, 200)
    values = call.exchange.tape.open_interest(i, times) if times else []
    rows = [
        {"openInterest": f"{2 * single:.8f}", "singleOpenInterest": number(single, 8), "timestamp": str(time_ms)}
        for time_ms, single in zip(times, values, strict=True)
    ]
    return Reply({"symbol": i.symbol, "category": category, "list": rows, "nextPageCursor": cursor})


def account_ratio(call: Call) -> Reply:
    p = call.params
    i = instrument_of(call, p.category(_CONTRACTS))
    step_ms = _PERIODS[p.required_choice("period", tuple(_PERIODS))]
    times, cursor = _times(p, step_ms, call.exchange.quotes.now_ms(), 50, 500)
    ratios = call.exchange.tape.buy_ratio(i, times) if times else []
    rows = [
        {
            "symbol": i.symbol,
            "buyRatio": number(buy, 4),
            "sellRatio": number(1.0 - buy, 4),
            "timestamp": str(time_ms),
        }
        for time_ms, buy in zip(times, ratios, strict=True)
    ]
    return Reply({"list": rows, "nextPageCursor": cursor})


def recent_trade(call: Call) -> Reply:
    p = call.params
    category = p.category()
    count = p.limit(60, 60) if category == "spot" else p.limit(500, 1_000)
    if category == "option" and not p.has("symbol"):
        coin = p.text("baseCoin", "BTC")
        kind = p.choice("optionType", ("Call", "Put"))
        options = [o for o in chosen(call, category) if o.base == coin and kind in ("", "Call" if o.is_call else "Put")]
        rows = [row for o in options[:: max(1, len(options) // 20)] for row in _trades(call, o, 5)]
        rows.sort(key=lambda row: int(row["time"]), reverse=True)
        return Reply({"category": category, "list": rows[:count]})
    return Reply({"category": category, "list": _trades(call, instrument_of(call, category), count)})


def _trades(call: Call, i: Instrument, count: int) -> list[Record]:
    mark = call.exchange.quotes.mark(i) if i.option else None
    rows: list[Record] = []
    for knot, time_ms, price, size, buy in call.exchange.tape.prints(i, count):
        row: Record = {
            "execId": str(2_100_000_000_000_000_000 + knot) if i.spot else _uuid(i, knot),
            "symbol": i.symbol,
            "price": plain(max(i.on_grid(price), i.tick)),
            "size": number(size, 8),
            "side": "Buy" if buy else "Sell",
            "time": str(time_ms),
            "isBlockTrade": False,
            "isRPITrade": False,
            "seq": str(knot),
        }
        if mark is not None:
            iv = number(mark.volatility, 4)
            row |= {"mP": number(mark.price, 8), "iP": number(mark.index, 8), "mIv": iv, "iv": iv}
        rows.append(row)
    return rows


def _uuid(i: Instrument, knot: int) -> str:
    text = f"{key_of('trade', i.symbol, knot):016x}{key_of('again', i.symbol, knot):016x}"
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-9{text[17:20]}-{text[20:]}"


# Deliveries


def delivery_prices(call: Call) -> Reply:
    """Contracts that were delivered; options without a symbol only while they are delivering, four hours long."""
    p, exchange = call.params, call.exchange
    category = p.category((*_CONTRACTS, "option"))
    now_ms = exchange.quotes.now_ms()
    symbol, base = p.text("symbol"), p.text("baseCoin")
    settle = p.text("settleCoin", "" if category == "inverse" else "USDC" if category == "option" else "")
    past = exchange.catalogue.delivered(category)
    found = [
        i
        for i in past
        if (symbol == i.symbol if symbol else settle in ("", i.settle))
        and base in ("", i.base)
        and (category != "option" or symbol or now_ms - i.delivery_ms < 4 * HOUR_MS)
    ]
    rows, cursor = page(found, p, p.limit(50, 200), lambda i: i.symbol)
    told = [
        {
            "symbol": i.symbol,
            "deliveryPrice": number(_settled_index(call, i.asset, i.delivery_ms), 9),
            "deliveryTime": str(i.delivery_ms),
        }
        for i in rows
    ]
    return Reply({"category": category, "list": told, "nextPageCursor": cursor}, message="success")


def new_delivery_prices(call: Call) -> Reply:
    category = call.params.category(("option",))
    base = call.params.required_choice("baseCoin", OPTION_COINS)
    last = calendar.Calendar(call.exchange.quotes.now_ms()).days[0] - DAY_MS
    rows = [
        {"deliveryPrice": number(_settled_index(call, base, end), 8), "deliveryTime": str(end)}
        for end in range(last, last - 50 * DAY_MS, -DAY_MS)
    ]
    return Reply({"category": category, "list": rows}, message="")


def _settled_index(call: Call, asset: str, end_ms: int) -> float:
    return float(delivered_index(call.exchange.quotes, asset, end_ms))


def historical_volatility(call: Call) -> Reply:
    """Realised volatility, hourly. The list is the whole result, and the category stands in the envelope."""
    p = call.params
    p.category(("option",))
    base = p.choice("baseCoin", OPTION_COINS, "BTC")
    period = p.whole("period", 7)
    if period not in (7, 14, 21, 30, 60, 90, 180, 270):
        raise bad("period")
    now_ms = call.exchange.quotes.now_ms()
    start, end = p.whole("startTime"), p.whole("endTime")
    if (start is None) is not (end is None):
        raise VenueError(PARAMETER, "params error: startTime and endTime must be passed together")
    last = min(now_ms, now_ms if end is None else end) // HOUR_MS * HOUR_MS
    first = last if start is None else -(-start // HOUR_MS) * HOUR_MS
    if last < first or first < now_ms - _VOLATILITY_KEPT_MS:
        raise VenueError(PARAMETER, "params error: startTime invalid")
    if last - first > 30 * DAY_MS:
        raise VenueError(PARAMETER, "The time range between startTime and endTime cannot exceed 30 days")
    values = call.exchange.tape.realised(base, period, first, last)
    rows = [{"period": period, "value": number(v, 8), "time": str(t)} for t, v in values]
    return Reply(rows[::-1], message="SUCCESS", beside={"category": "option"})


ROUTES: Final[Routes] = {
    "/v5/market/kline": kline,
    "/v5/market/mark-price-kline": _price_klines("mark", (*_CONTRACTS, "option")),
    "/v5/market/index-price-kline": _price_klines("index", _CONTRACTS),
    "/v5/market/premium-index-price-kline": _price_klines("premium", ("linear",)),
    "/v5/market/funding/history": funding_history,
    "/v5/market/open-interest": open_interest,
    "/v5/market/account-ratio": account_ratio,
    "/v5/market/recent-trade": recent_trade,
    "/v5/market/delivery-price": delivery_prices,
    "/v5/market/new-delivery-price": new_delivery_prices,
    "/v5/market/historical-volatility": historical_volatility,
}
