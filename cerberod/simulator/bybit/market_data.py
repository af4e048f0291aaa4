"""The public present: server time, instruments, tickers, order books, limits."""

from decimal import Decimal
from typing import Final

import anyio.lowlevel
import numpy as np

from cerberod.analytics.implied import implied_volatility
from cerberod.simulator.bybit import checks
from cerberod.simulator.bybit.calls import Call, Record, Routes, chosen, instrument_of
from cerberod.simulator.bybit.exchange import Exchange
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.paging import page
from cerberod.simulator.bybit.quotes import Mark
from cerberod.simulator.bybit.wire import PARAMETER, Reply, VenueError, number, padded, plain
from cerberod.simulator.market import DAY_MS
from cerberod.simulator.matching import Level, Side

_PREDICTED_MS = 1_800_000
_ROWS_AT_ONCE = 32
_DEPTHS: Final = {"spot": (1, 1_000), "linear": (25, 1_000), "inverse": (25, 1_000), "option": (1, 25)}
"""Default and largest."""


def server_time(call: Call) -> Reply:
    now_ms = call.exchange.quotes.now_ms()
    return Reply({"timeSecond": str(now_ms // 1_000), "timeNano": f"{now_ms}000000"})


def instruments_info(call: Call) -> Reply:
    p = call.params
    category = p.category()
    status = p.text("status", "Trading")
    size = p.limit(500, 1_000)
    if p.has("symbol"):
        rows = [instrument_of(call, category)]
    else:
        base = p.text("baseCoin", "BTC" if category == "option" else "")
        rows = [
            i
            for i in call.exchange.catalogue.live(category).values()
            if base in ("", i.base) and (i.status == status or category == "spot")
        ]
    if category == "spot":
        return Reply({"category": category, "list": [i.record() for i in rows]})
    found, cursor = page(rows, p, size, lambda i: i.symbol)
    return Reply({"category": category, "list": [i.record() for i in found], "nextPageCursor": cursor})


# Tickers


async def tickers(call: Call) -> Reply:
    """Tell present values. A whole category is hundreds of rows: others run in between."""
    p, exchange = call.params, call.exchange
    category = p.category()
    if category == "option" and not (p.has("symbol") or p.has("baseCoin")):
        raise VenueError(PARAMETER, "params error: symbol or baseCoin is required")
    rows = [i for i in chosen(call, category) if i.status == "Trading"]
    ending = p.text("expDate") if category == "option" else ""
    rows = [i for i in rows if not ending or f"-{ending}-" in i.symbol]
    told: list[Record] = []
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        told += _ticker_rows(exchange, category, rows[begin : begin + _ROWS_AT_ONCE])
        await anyio.lowlevel.checkpoint()
    return Reply({"category": category, "list": told}, message="SUCCESS" if category == "option" else "OK")


def _ticker_rows(exchange: Exchange, category: str, rows: list[Instrument]) -> list[Record]:
    if category == "option":
        marks = exchange.quotes.option_marks(rows)
        volatilities = touch_volatilities(exchange, rows, marks)
        return [_option_row(exchange, i, marks[i.symbol], volatilities[i.symbol]) for i in rows]
    row = _spot_row if category == "spot" else _contract_row
    return [row(exchange, i) for i in rows]


def _side(instrument: Instrument, top: Level | None, nothing: str) -> tuple[str, str]:
    return (nothing, nothing) if top is None else (instrument.price_text(top[0]), plain(top[1]))


def _best(exchange: Exchange, instrument: Instrument, mark: Mark) -> tuple[Level | None, Level | None]:
    if not exchange.has_book(instrument):
        return exchange.quotes.best(instrument, mark)
    book = exchange.book(instrument)
    bids, asks = book.depth(Side.BUY, 1), book.depth(Side.SELL, 1)
    return (bids[0] if bids else None), (asks[0] if asks else None)


def _spot_row(exchange: Exchange, i: Instrument) -> Record:
    mark = exchange.quotes.mark(i)
    bid, ask = _best(exchange, i, mark)
    day = exchange.tape.day(i)
    (bid_price, bid_size), (ask_price, ask_size) = _side(i, bid, ""), _side(i, ask, "")
    return {
        "symbol": i.symbol,
        "bid1Price": bid_price,
        "bid1Size": bid_size,
        "ask1Price": ask_price,
        "ask1Size": ask_size,
        "lastPrice": i.price_text(i.on_grid(day.last)),
        "prevPrice24h": i.price_text(i.on_grid(day.before_day)),
        "price24hPcnt": number(day.last / day.before_day - 1.0, 4),
        "highPrice24h": i.price_text(i.on_grid(day.high)),
        "lowPrice24h": i.price_text(i.on_grid(day.low)),
        "turnover24h": number(day.turnover, 8),
        "volume24h": number(day.volume, 6),
        "usdIndexPrice": number(mark.index, 8),
    }


def _contract_row(exchange: Exchange, i: Instrument) -> Record:
    mark = exchange.quotes.mark(i)
    now_ms = exchange.quotes.now_ms()
    bid, ask = _best(exchange, i, mark)
    day = exchange.tape.day(i)
    (bid_price, bid_size), (ask_price, ask_size) = _side(i, bid, ""), _side(i, ask, "")
    single = exchange.tape.open_interest(i, [now_ms])[0]
    worth = single / mark.price if i.inverse else single * mark.price
    out: Record = {
        "symbol": i.symbol,
        "lastPrice": i.price_text(i.on_grid(day.last)),
        "indexPrice": i.price_text(mark.index),
        "markPrice": i.price_text(mark.price),
        "prevPrice24h": i.price_text(i.on_grid(day.before_day)),
        "price24hPcnt": number(day.last / day.before_day - 1.0, 6),
        "highPrice24h": i.price_text(i.on_grid(day.high)),
        "lowPrice24h": i.price_text(i.on_grid(day.low)),
        "prevPrice1h": i.price_text(i.on_grid(day.before_hour)),
        "openInterest": number(2 * single, 8),
        "openInterestValue": number(2 * worth, 2),
        "singleOpenInterest": number(single, 8),
        "singleOpenInterestValue": number(worth, 2),
        "turnover24h": padded(Decimal(repr(day.turnover)), 4),
        "volume24h": padded(Decimal(repr(day.volume)), 4),
        "fundingRate": "",
        "nextFundingTime": "",
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "deliveryFeeRate": "",
        "deliveryTime": "0",
        "ask1Size": ask_size,
        "bid1Price": bid_price,
        "ask1Price": ask_price,
        "bid1Size": bid_size,
        "basis": "",
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
        "fundingIntervalHour": "",
        "basisRateYear": "",
        "fundingCap": "",
    }
    if i.perpetual:
        return out | {
            "fundingRate": number(exchange.tape.predicted_rate(i), 8),
            "nextFundingTime": str(exchange.tape.next_funding_ms(i)),
            "fundingIntervalHour": str(i.funding_min // 60),
            "fundingCap": plain(i.funding_cap),
        }
    rate = mark.price / mark.index - 1.0
    days = max((i.delivery_ms - now_ms) / DAY_MS, 1.0 / 24.0)
    near = i.delivery_ms - now_ms <= _PREDICTED_MS
    return out | {
        "predictedDeliveryPrice": i.price_text(mark.index) if near else "",
        "basis": number(day.last - mark.index, 2),
        "basisRate": number(rate, 6),
        "basisRateYear": number(rate * 365.0 / days, 8),
        "deliveryFeeRate": "0.0005",
        "deliveryTime": str(i.delivery_ms),
    }


def touch_volatilities(
    exchange: Exchange, options: list[Instrument], marks: dict[str, Mark]
) -> dict[str, tuple[Level | None, Level | None, float, float]]:
    """Return each option's best levels and their implied volatilities, 0 where there is no quote or no solution."""
    tops = [_best(exchange, o, marks[o.symbol]) for o in options]
    if not options:
        return {}
    forward = np.array([marks[o.symbol].forward for o in options])
    strike = np.array([o.strike for o in options])
    years = np.array([max(marks[o.symbol].years, 1e-9) for o in options])
    calls = np.array([o.is_call for o in options])
    found = [
        implied_volatility(
            np.array([0.0 if top[side] is None else float(top[side][0]) for top in tops]),  # type: ignore[index]  # narrowed by the condition
            forward,
            strike,
            years,
            calls,
        ).volatility.filled(0.0)
        for side in (0, 1)
    ]
    return {
        o.symbol: (*tops[n], round(float(found[0][n]), 4), round(float(found[1][n]), 4)) for n, o in enumerate(options)
    }


def _option_row(
    exchange: Exchange, i: Instrument, mark: Mark, touch: tuple[Level | None, Level | None, float, float]
) -> Record:
    bid, ask, bid_iv, ask_iv = touch
    (bid_price, bid_size), (ask_price, ask_size) = _plain_side(bid), _plain_side(ask)
    now_ms = exchange.quotes.now_ms()
    near = i.delivery_ms - now_ms <= _PREDICTED_MS
    volume = exchange.tape.option_volume(i)
    last = plain(i.on_grid(mark.price)) if volume else "0"
    return {
        "symbol": i.symbol,
        "bid1Price": bid_price,
        "bid1Size": bid_size,
        "bid1Iv": number(bid_iv, 4),
        "ask1Price": ask_price,
        "ask1Size": ask_size,
        "ask1Iv": number(ask_iv, 4),
        "lastPrice": last,
        "highPrice24h": last,
        "lowPrice24h": last,
        "markPrice": number(mark.price, 8),
        "indexPrice": number(mark.index, 8),
        "markIv": number(mark.volatility, 4),
        "underlyingPrice": number(mark.forward, 2),
        "openInterest": number(exchange.tape.open_interest(i, [now_ms])[0], 8),
        "turnover24h": number(volume * mark.index, 4),
        "volume24h": number(volume, 4),
        "totalVolume": str(round(volume * 7)),
        "totalTurnover": str(round(volume * 7 * mark.index)),
        "delta": number(mark.delta, 8),
        "gamma": number(mark.gamma, 8),
        "vega": number(mark.vega, 8),
        "theta": number(mark.theta, 8),
        "predictedDeliveryPrice": number(mark.index, 2) if near else "0",
        "change24h": "0",
    }


def _plain_side(top: Level | None) -> tuple[str, str]:
    return ("0", "0") if top is None else (plain(top[0]), plain(top[1]))


# Books


def orderbook(call: Call) -> Reply:
    category = call.params.category()
    i = instrument_of(call, category)
    default, most = _DEPTHS[category]
    depth = call.params.limit(default, most)
    exchange = call.exchange
    book = exchange.book(i)
    moment = exchange.quotes.moment()
    return Reply(
        {
            "s": i.symbol,
            "b": _levels(book.depth(Side.BUY, depth)),
            "a": _levels(book.depth(Side.SELL, depth)),
            "ts": exchange.quotes.now_ms(),
            "u": moment // 250 % 10**9 + book.changes,
            "seq": moment // 10 + book.changes,
            "cts": moment,
        },
        message="SUCCESS" if category == "option" else "OK",
    )


def _levels(levels: list[Level]) -> list[list[str]]:
    return [[plain(price), plain(size)] for price, size in levels]


def price_limit(call: Call) -> Reply:
    category = call.params.category(("spot", "linear", "inverse"), "linear")
    i = instrument_of(call, category)
    highest, lowest = checks.price_limits(i, call.exchange.quotes.mark(i))
    now_ms = call.exchange.quotes.now_ms()
    body = {"symbol": i.symbol, "buyLmt": i.price_text(highest), "sellLmt": i.price_text(lowest), "ts": str(now_ms)}
    return Reply(body, message="")


def risk_limit(call: Call) -> Reply:
    category = call.params.category(("linear", "inverse"))
    rows = [i for i in chosen(call, category) if i.status == "Trading"]
    found, cursor = page(rows, call.params, 15, lambda i: i.symbol)
    told = [
        {
            "id": 1,
            "symbol": i.symbol,
            "riskLimitValue": plain(checks.RISK_LIMIT),
            "maintenanceMargin": "0.005",
            "initialMargin": number(1 / i.leverage, 6),
            "isLowestRisk": 1,
            "maxLeverage": f"{i.leverage}.00",
            "mmDeduction": "",
        }
        for i in found
    ]
    return Reply({"category": category, "list": told, "nextPageCursor": cursor})


ROUTES: Final[Routes] = {
    "/v5/market/time": server_time,
    "/v5/market/instruments-info": instruments_info,
    "/v5/market/tickers": tickers,
    "/v5/market/orderbook": orderbook,
    "/v5/market/price-limit": price_limit,
    "/v5/market/risk-limit": risk_limit,
}
