"""Histories the venue tells as series: the volatility index, realised volatility, funding, index and mark prices.

Each is read from the one market, so a candle of the volatility index is the index's own path at any resolution, and
the funding of a day is the sum of its hours. Knows nothing of trades; candles of prices are read from prints.
"""

from typing import Any, Final

import numpy as np

from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.listing import INVERSE_COINS
from cerberod.simulator.deribit.public import Call, Method, index_coin, instrument_of, window_of
from cerberod.simulator.deribit.wire import invalid
from cerberod.simulator.market import DAY_MS, FUNDING_STEP_MS, HISTORY_START_MS, HOUR_MS, VOLATILITY_KNOT_MS
from cerberod.simulator.noise import KNOT_MS, FloatArray, IntArray

MAX_VOLATILITY_ROWS: Final = 1_000
MAX_FUNDING_ROWS: Final = 744
_VOLATILITY_STEPS_MS = {"1": 1_000, "60": 60_000, "3600": HOUR_MS, "43200": DAY_MS // 2, "1D": DAY_MS}
_FUNDING_SPAN_MS = 8 * HOUR_MS
_FUNDING_CHARTS_MS = {
    "8h": (8 * HOUR_MS, FUNDING_STEP_MS),
    "24h": (DAY_MS, FUNDING_STEP_MS),
    "1m": (30 * DAY_MS, HOUR_MS),
}
_INDEX_CHARTS_MS = {
    "1h": (HOUR_MS, 60_000),
    "1d": (DAY_MS, 300_000),
    "2d": (2 * DAY_MS, 600_000),
    "1m": (30 * DAY_MS, HOUR_MS),
    "1y": (365 * DAY_MS, DAY_MS),
    "all": (None, DAY_MS),
}
_REALISED_DAYS = 15
_MARK_STEP_MS = 300_000
_MOST_MARKS = 10_000


# Volatility


def get_volatility_index_data(call: Call) -> dict[str, Any]:
    """Return the newest rows of a window; `continuation` is the `end_timestamp` that gets the rows before them."""
    coin = call.params.currency(INVERSE_COINS)
    start_ms, end_ms = window_of(call)
    step_ms = _VOLATILITY_STEPS_MS[call.params.resolution(tuple(_VOLATILITY_STEPS_MS))]
    now_ms = call.exchange.quotes.now_ms()
    last = min(end_ms, now_ms) // step_ms
    first = -(-max(start_ms, HISTORY_START_MS) // step_ms)
    shown = max(first, last - MAX_VOLATILITY_ROWS + 1)
    rows = _volatility_candles(call, coin, shown, last, step_ms, now_ms) if shown <= last else []
    return {"data": rows, "continuation": (shown - 1) * step_ms if first < shown <= last else None}


def _volatility_candles(call: Call, coin: str, first: int, last: int, step_ms: int, now_ms: int) -> list[list[float]]:
    """Return `[time, open, high, low, close]`; the index is straight between knots, so its extremes lie on them."""
    edges = np.minimum(np.arange(first, last + 2, dtype=np.int64) * step_ms, now_ms)
    at_edges = _points(call, coin, edges)
    highs, lows = np.maximum(at_edges[:-1], at_edges[1:]), np.minimum(at_edges[:-1], at_edges[1:])
    if step_ms > VOLATILITY_KNOT_MS:
        inside = np.arange(first * step_ms, int(edges[-1]) + 1, VOLATILITY_KNOT_MS, dtype=np.int64)
        at_knots = _points(call, coin, inside)
        starts = np.arange(0, len(inside), step_ms // VOLATILITY_KNOT_MS)[: len(highs)]
        highs = np.maximum(highs, np.maximum.reduceat(at_knots, starts))
        lows = np.minimum(lows, np.minimum.reduceat(at_knots, starts))
    columns = (edges[:-1], at_edges[:-1], highs, lows, at_edges[1:])
    return [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _points(call: Call, coin: str, times_ms: IntArray) -> FloatArray:
    return np.round(call.exchange.quotes.volatility_index(coin, times_ms), 2)


def get_historical_volatility(call: Call) -> list[list[float]]:
    """Return the annualised realised volatility of the 15 days before each hour of the last 15 days, in percent."""
    coin = call.params.currency(INVERSE_COINS)
    span = _REALISED_DAYS * 24
    last_ms = call.exchange.quotes.now_ms() // HOUR_MS * HOUR_MS
    times = last_ms - np.arange(2 * span, -1, -1, dtype=np.int64) * HOUR_MS
    moves = np.diff(np.log(call.exchange.quotes.market.index_at(coin, times))) ** 2
    sums = np.convolve(moves, np.ones(span), mode="valid")
    realised = 100.0 * np.sqrt(sums / span * 24 * 365)
    return [[time, value] for time, value in zip(times[span:].tolist(), realised.tolist(), strict=True)]


# Funding


def get_funding_rate_history(call: Call) -> list[dict[str, float]]:
    """Return the hours of a window, oldest first; of a window too wide only the newest 744 are told."""
    instrument = _perpetual_of(call)
    start_ms, end_ms = window_of(call)
    now_ms = call.exchange.quotes.now_ms()
    last = min(end_ms, now_ms) // HOUR_MS
    first = max(-(-max(start_ms, HISTORY_START_MS) // HOUR_MS), last - MAX_FUNDING_ROWS + 1)
    if first > last:
        return []
    hours = np.arange(first, last + 1, dtype=np.int64) * HOUR_MS
    over_8h = _accrued(call, instrument, hours, _FUNDING_SPAN_MS)
    over_1h = _accrued(call, instrument, hours, HOUR_MS)
    index = _index_at(call, instrument, np.concatenate((hours[:1] - HOUR_MS, hours)))
    return [
        {
            "timestamp": time,
            "index_price": price,
            "prev_index_price": before,
            "interest_8h": eight,
            "interest_1h": one,
        }
        for time, price, before, eight, one in zip(
            hours.tolist(), index[1:].tolist(), index[:-1].tolist(), over_8h.tolist(), over_1h.tolist(), strict=True
        )
    ]


def get_funding_rate_value(call: Call) -> float:
    """Return what a window's funding adds up to, as a fraction."""
    instrument = _perpetual_of(call)
    start_ms, end_ms = window_of(call)
    end_ms = min(end_ms, call.exchange.quotes.now_ms())
    start_ms = max(start_ms, HISTORY_START_MS)
    first, last = start_ms // FUNDING_STEP_MS, end_ms // FUNDING_STEP_MS
    if first >= last:
        return 0.0
    steps = np.arange(first + 1, last + 1, dtype=np.int64) * FUNDING_STEP_MS
    rates = call.exchange.quotes.market.funding_rates(instrument.coin, steps)
    return float(rates.sum() * FUNDING_STEP_MS / _FUNDING_SPAN_MS)


def get_funding_chart_data(call: Call) -> dict[str, Any]:
    """Return the present rates, and the 8-hour rate over a span."""
    instrument = _perpetual_of(call)
    length = call.params.choice("length", tuple(_FUNDING_CHARTS_MS))
    if length is None:
        raise invalid("length", "value required")
    span_ms, step_ms = _FUNDING_CHARTS_MS[length]
    now_ms = call.exchange.quotes.now_ms()
    last_ms = now_ms // step_ms * step_ms
    times = np.arange(last_ms - span_ms + step_ms, last_ms + 1, step_ms, dtype=np.int64)
    funding = call.exchange.quotes.market.funding(instrument.coin, now_ms)
    columns = (times, _index_at(call, instrument, times), _accrued(call, instrument, times, _FUNDING_SPAN_MS))
    return {
        "current_interest": funding.current,
        "interest_8h": funding.mean_8h,
        "data": [
            {"timestamp": time, "index_price": price, "interest_8h": rate}
            for time, price, rate in zip(*(column.tolist() for column in columns), strict=True)
        ],
    }


def _perpetual_of(call: Call) -> Instrument:
    instrument = instrument_of(call)
    if not instrument.perpetual or instrument.kind != "future":
        raise invalid("instrument_name", "invalid value")
    return instrument


def _accrued(call: Call, instrument: Instrument, times_ms: IntArray, span_ms: int) -> FloatArray:
    """Return what the `span_ms` before each time paid; the times rise by whole funding steps."""
    back = span_ms // FUNDING_STEP_MS
    first, last = int(times_ms[0]) // FUNDING_STEP_MS, int(times_ms[-1]) // FUNDING_STEP_MS
    steps = np.arange(first - back + 1, last + 1, dtype=np.int64) * FUNDING_STEP_MS
    rates = call.exchange.quotes.market.funding_rates(instrument.coin, steps)
    sums = np.concatenate(([0.0], np.cumsum(rates)))
    ends = times_ms // FUNDING_STEP_MS - first + back
    return np.asarray((sums[ends] - sums[ends - back]) * FUNDING_STEP_MS / _FUNDING_SPAN_MS, dtype=np.float64)


def _index_at(call: Call, instrument: Instrument, times_ms: IntArray) -> FloatArray:
    return call.exchange.quotes.market.index_at(instrument.coin, times_ms)


# Prices


def get_index_chart_data(call: Call) -> list[list[float]]:
    """Return `[time, price]` over a range, oldest first."""
    coin = index_coin(call)
    wanted = call.params.choice("range", tuple(_INDEX_CHARTS_MS))
    if wanted is None:
        raise invalid("range", "value required")
    span_ms, step_ms = _INDEX_CHARTS_MS[wanted]
    last_ms = call.exchange.quotes.now_ms() // step_ms * step_ms
    first_ms = HISTORY_START_MS if span_ms is None else last_ms - span_ms + step_ms
    times = np.arange(first_ms, last_ms + 1, step_ms, dtype=np.int64)
    prices = call.exchange.quotes.market.index_at(coin, times)
    return [[time, price] for time, price in zip(times.tolist(), prices.tolist(), strict=True)]


def get_mark_price_history(call: Call) -> list[list[float]]:
    """Return `[time, mark]` every five minutes, newest first; only options inside the volatility index have one."""
    instrument = instrument_of(call)
    start_ms, end_ms = window_of(call)
    quotes = call.exchange.quotes
    recorded = quotes.chain(instrument.coin) is not None and not instrument.linear
    if not instrument.option or recorded or instrument.coin not in INVERSE_COINS:
        return []
    last = min(end_ms, quotes.now_ms(), instrument.expiry_ms) // _MARK_STEP_MS
    first = max(-(-max(start_ms, HISTORY_START_MS, instrument.created_ms) // _MARK_STEP_MS), last - _MOST_MARKS + 1)
    if first > last:
        return []
    times = np.arange(last, first - 1, -1, dtype=np.int64) * _MARK_STEP_MS
    marks = call.exchange.tape.option_values([instrument], times // KNOT_MS)[0]
    return [[time, round(mark, 8)] for time, mark in zip(times.tolist(), marks.tolist(), strict=True)]


METHODS: Final[dict[str, Method]] = {
    "public/get_volatility_index_data": get_volatility_index_data,
    "public/get_historical_volatility": get_historical_volatility,
    "public/get_funding_rate_history": get_funding_rate_history,
    "public/get_funding_rate_value": get_funding_rate_value,
    "public/get_funding_chart_data": get_funding_chart_data,
    "public/get_index_chart_data": get_index_chart_data,
    "public/get_mark_price_history": get_mark_price_history,
}
