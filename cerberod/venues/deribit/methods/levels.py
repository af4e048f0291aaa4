"""How high Deribit's volatility index stands, and against its own past. One request each."""

from datetime import datetime
from decimal import Decimal
from math import sqrt
from statistics import median
from typing import Annotated, Literal

from pydantic import Field

from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.dvol import DvolFound, fetch_dvol, opened

DvolCurrency = Annotated[Literal["BTC", "ETH"], Field(examples=["BTC"])]
DVOL_CURRENCY = "BTC or ETH: the coins that have a volatility index."
DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_DAYS_PER_YEAR = 365.0


class GetDvol(Params):
    """Which index."""

    currency: DvolCurrency = Field(description=DVOL_CURRENCY)


class Dvol(Result):
    """The index now and over the last 24 hours, in volatility points (percent a year)."""

    as_of: datetime = Field(description="When the venue answered, by its own stamp.")
    currency: str = Field(description="The coin.")
    dvol_pct: float | None = Field(description="The index now; null with a reason.")
    hour_began: datetime | None = Field(description="When the candle that it closes began.")
    day_ago_pct: float | None = Field(description="The index 24 hours ago; null where the venue does not tell it.")
    change_points: float | None = Field(description="Change over 24 hours, points.")
    high_pct: float | None = Field(description="Highest of the hours since.")
    low_pct: float | None = Field(description="Lowest of the hours since.")
    expected_daily_move_pct: float | None = Field(description="One deviation over a day: dvol over root 365, percent.")
    reason: str | None = Field(description="no_data: the venue has no candle of the last 24 hours; else null.")


async def read_day(deribit: Deribit, currency: str) -> DvolFound:
    """Read the hours of the last day, the one still forming among them."""
    await deribit.reachable()  # the venue's clock decides which hours these are
    end_ms = _this_minute(deribit)
    return await fetch_dvol(deribit, currency, (end_ms - DAY_MS) // _HOUR_MS * _HOUR_MS, end_ms, "3600")


def _this_minute(deribit: Deribit) -> int:
    """Return when the venue's present minute began: questions of one minute are the same question."""
    return deribit.venue_ms() // _MINUTE_MS * _MINUTE_MS


@method("deribit.get_dvol", cost=2)
async def get_dvol(call: Call, params: GetDvol) -> Dvol:
    """Return Deribit's volatility index (DVOL) now, with its last 24 hours.

    The 30-day volatility that options price in, in points: 47.55 is 47.55 percent a year.
    """
    found = await read_day(call.use(Deribit), params.currency)
    candles = found.candles
    last = candles[-1] if candles else None
    first = (
        candles[0] if candles and last is not None and last.opened_ms - candles[0].opened_ms >= 23 * _HOUR_MS else None
    )
    return Dvol(
        as_of=found.as_of,
        currency=params.currency,
        dvol_pct=None if last is None else last.close,
        hour_began=None if last is None else opened(last),
        day_ago_pct=None if first is None else first.open,
        change_points=None if first is None or last is None else change(first.open, last.close),
        high_pct=max((each.high for each in candles), default=None),
        low_pct=min((each.low for each in candles), default=None),
        expected_daily_move_pct=None if last is None else last.close / sqrt(_DAYS_PER_YEAR),
        reason="no_data" if last is None else None,
    )


def change(before: float, now: float) -> float:
    """Return how much a published figure has changed, in its own decimals: 47.86 - 47.55 is 0.31 and nothing behind."""
    return float(Decimal(repr(now)) - Decimal(repr(before)))


class GetIvRank(GetDvol):
    """Which index, and how far back."""

    lookback_days: Annotated[int, Field(ge=10, le=999)] = Field(
        default=365, description="How many closed days to compare with; 252 is usual too."
    )


class IvRank(Result):
    """Where the index stands within its past."""

    as_of: datetime = Field(description="When the venue answered, by its own stamp.")
    currency: str = Field(description="The coin.")
    dvol_pct: float | None = Field(description="The index now, percent a year; null with a reason.")
    rank_pct: float | None = Field(
        description="(now - lowest)/(highest - lowest) x 100 over the closes and now; null with a reason."
    )
    percentile_pct: float | None = Field(
        description="Share of the days that closed below now, x 100; null with a reason."
    )
    reason: str | None = Field(
        description="no_data (no candle of today or yesterday), no_past, or constant (all closes and now are equal); "
        "else null."
    )
    lookback_days: int = Field(description="How many days were asked for.")
    days_used: int = Field(description="How many closed days there were.")
    first_day: datetime | None = Field(description="When the first of them began.")
    last_day: datetime | None = Field(description="When the last of them began.")
    lowest_pct: float | None = Field(description="Lowest of the closes and now.")
    highest_pct: float | None = Field(description="Highest of the closes and now.")
    median_pct: float | None = Field(description="Median of the closes.")
    requests: int = Field(description="How many requests it cost.")


@method("deribit.get_iv_rank", cost=5, deadline=Deadline.ANALYTICS)
async def get_iv_rank(call: Call, params: GetIvRank) -> IvRank:
    """Return IV rank and IV percentile of DVOL over daily closes, 0 to 100.

    Rank measures against the extremes, percentile counts days; after a spike they differ much. The day that has not
    ended is the present, never one of the closes.
    """
    deribit = call.use(Deribit)
    await deribit.reachable()  # the venue's clock decides which days have closed
    end_ms = _this_minute(deribit)
    today_ms = end_ms // DAY_MS * DAY_MS
    found = await fetch_dvol(deribit, params.currency, today_ms - params.lookback_days * DAY_MS, end_ms, "1D")
    closed = [each for each in found.candles if each.opened_ms < today_ms][-params.lookback_days :]
    # Just after midnight the newest candle is yesterday's; one older than that is not the present.
    fresh = bool(found.candles) and found.candles[-1].opened_ms >= today_ms - DAY_MS
    now = found.candles[-1].close if fresh else None
    closes = [each.close for each in closed]
    rank, percentile, reason = rank_of(now, closes)
    known = closes if now is None else [*closes, now]
    return IvRank(
        as_of=found.as_of,
        currency=params.currency,
        dvol_pct=now,
        rank_pct=rank,
        percentile_pct=percentile,
        reason=reason,
        lookback_days=params.lookback_days,
        days_used=len(closes),
        first_day=opened(closed[0]) if closed else None,
        last_day=opened(closed[-1]) if closed else None,
        lowest_pct=min(known, default=None),
        highest_pct=max(known, default=None),
        median_pct=median(closes) if closes else None,
        requests=found.pages,
    )


def rank_of(now: float | None, closes: list[float]) -> tuple[float | None, float | None, str | None]:
    """Return rank, percentile, and why there is no rank."""
    if now is None:
        return None, None, "no_data"
    if not closes:
        return None, None, "no_past"
    percentile = 100.0 * sum(close < now for close in closes) / len(closes)
    low, high = min(*closes, now), max(*closes, now)
    if high == low:
        return None, percentile, "constant"
    return 100.0 * (now - low) / (high - low), percentile, None
