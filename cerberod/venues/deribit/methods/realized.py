"""How volatile a coin was on Deribit, against what its options price in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from cerberod.calculation.listed import smiles
from cerberod.calculation.methods.volatility import (
    CONE,
    ESTIMATOR,
    REALIZED,
    ConeRow,
    EstimatorName,
    Percentile,
    RealizedVol,
    VolCone,
)
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.venues.deribit.chain import fetch_chain, refusal
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.history import RESOLUTIONS, fetch_candles
from cerberod.venues.deribit.methods.levels import DVOL_CURRENCY, DvolCurrency, read_day
from cerberod.venues.deribit.methods.listed import calculated
from cerberod.venues.deribit.wire.market import Candle
from cerberod.venues.instants import milliseconds

YEAR_MS = 365 * 86_400_000
DVOL_DAYS = 30
"""The tenor of the volatility index."""
ONE_PAGE = 4_999
"""Bars, besides the one still forming, that one request brings."""
Resolution = Literal["5", "15", "30", "60", "120", "180", "360", "720", "1D"]
RESOLUTION = "Length of a bar in minutes, or 1D."
PERPETUAL = "The perpetual whose bars are measured."
Against = Literal["dvol", "atm"]


class OfBars(Params):
    """Which bars, and how to measure them."""

    currency: DvolCurrency = Field(description=DVOL_CURRENCY)
    resolution: Resolution = Field(default="1D", description=RESOLUTION)
    estimator: EstimatorName = Field(default="close_to_close", description=ESTIMATOR + " All four are there.")
    mean_zero: bool = Field(
        default=False, description="Take the expected return for zero, as variance swaps do; close_to_close only."
    )


class Measured(Result):
    """Bars that were measured."""

    as_of: datetime = Field(description="When the venue answered with the bars, by its own stamp.")
    currency: str = Field(description="The coin.")
    instrument_name: str = Field(description=PERPETUAL)
    resolution: str = Field(description=RESOLUTION)
    estimator: EstimatorName = Field(description="How volatility was measured.")
    bars_used: int = Field(description="Bars that went in; the one still forming never does.")
    bars_missing: int = Field(description="Bars of the window that the venue did not tell.")
    first_bar: datetime = Field(description="When the first of them began.")
    last_bar: datetime = Field(description="When the last of them began.")


async def closed_bars(call: Call, params: OfBars, moves: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the last bars that have closed: the fields of `Measured`, and the columns with the bars of a year."""
    deribit = call.use(Deribit)
    step_ms = RESOLUTIONS[params.resolution]
    if moves + 1 > ONE_PAGE:
        longest = ONE_PAGE * step_ms // 86_400_000
        rule = f"at most {ONE_PAGE} bars, what one request brings, or a longer resolution"
        raise refusal("window_days" if "window_days" in type(params).model_fields else "lookback_days", rule, longest)
    await deribit.reachable()  # the venue's clock decides which bars have closed
    now_ms = deribit.venue_ms()
    forming_ms = now_ms // step_ms * step_ms
    name = f"{params.currency}-PERPETUAL"
    found = await fetch_candles(deribit, name, forming_ms - (moves + 1) * step_ms, forming_ms, params.resolution)
    bars = [bar for bar in found.candles if milliseconds(bar.opened_at) + step_ms <= now_ms][-(moves + 1) :]
    if len(bars) < 4:
        raise refusal("currency", "a coin whose perpetual has at least 4 closed bars in the window")
    spans = (milliseconds(bars[-1].opened_at) - milliseconds(bars[0].opened_at)) // step_ms + 1
    told = {
        "as_of": found.as_of,
        "currency": params.currency,
        "instrument_name": name,
        "resolution": params.resolution,
        "estimator": params.estimator,
        "bars_used": len(bars),
        "bars_missing": max(spans, moves + 1) - len(bars),
        "first_bar": bars[0].opened_at,
        "last_bar": bars[-1].opened_at,
    }
    return told, {**_columns(bars, params.estimator), "periods_per_year": YEAR_MS / step_ms}


def _columns(bars: Sequence[Candle], estimator: str) -> dict[str, list[float]]:
    wanted = ("close",) if estimator == "close_to_close" else ("open", "high", "low", "close")
    return {name: [getattr(bar, name) for bar in bars] for name in wanted}


async def atm_at(call: Call, params: OfBars, tenors: Sequence[float]) -> tuple[datetime, list[smiles.TermTenor]]:
    """Return the ATM volatility at tenors (days), and when the chain was so."""
    chain = await fetch_chain(call.use(Deribit), params.currency, None)
    used, _ = chain.valued()
    if not used:
        return chain.as_of, [smiles.TermTenor(days=days, iv_pct=None, reason="outside_expiries") for days in tenors]
    asked = smiles.TermParams(chain=chain.columns(used), tenors_days=list(tenors))
    return chain.as_of, (await calculated(call, params, smiles.TERM, asked)).tenors


class GetRealizedVol(OfBars):
    """Which bars, how to measure them, and what to compare with."""

    window_days: Annotated[int, Field(ge=4, le=1_000)] = Field(default=30, description="Length of the window, in days.")
    against: Annotated[list[Against], Field(max_length=2)] | None = Field(
        default=None,
        description="Implied volatilities to compare with, one request each: dvol (30 days) and atm (the chain's, at "
        "the length of the window). Without it the one of the window's own tenor: dvol for 30 days, else atm.",
    )
    premium: Literal["implied_minus_realized", "realized_minus_implied"] = Field(
        default="implied_minus_realized", description="Sign of the premium: positive when options are dear, or not."
    )


class Premium(Result):
    """The variance risk premium against one implied volatility."""

    against: Against = Field(description="Which implied volatility.")
    as_of: datetime = Field(description="When the venue told it.")
    tenor_days: float = Field(description="Its tenor, in days.")
    implied_pct: float | None = Field(description="The implied volatility, percent a year; null with a reason.")
    premium_points: float | None = Field(description="One against the other, volatility points, in the sign told.")
    premium_variance: float | None = Field(description="The same of variances, as fractions a year.")
    ratio: float | None = Field(description="Implied over realised volatility.")
    reason: str | None = Field(description="no_data or outside_expiries; null when there is a number.")


class RealizedOfCoin(Measured):
    """What the volatility was, and what options charge for it."""

    window_days: int = Field(description="Length of the window, in days.")
    realized_pct: float = Field(description="Realised volatility, percent a year of 365 days.")
    observations: int = Field(description="Moves that went in.")
    sign: Literal["implied_minus_realized", "realized_minus_implied"] = Field(description="The sign of every premium.")
    premiums: list[Premium] = Field(description="One for each comparison, in the order asked for.")


@method("deribit.get_realized_vol", cost=10, deadline=Deadline.ANALYTICS)
async def get_realized_vol(call: Call, params: GetRealizedVol) -> RealizedOfCoin:
    """Return realised volatility of closed bars, and the variance risk premium.

    Implied against realised, backward-looking: what options charge now over what the last window delivered. One request
    for the bars and one for each comparison: two unless more are asked for. A perpetual's bars stand for the coin.
    """
    moves = max(3, round(params.window_days * 86_400_000 / RESOLUTIONS[params.resolution]))
    told, columns = await closed_bars(call, params, moves)
    asked = RealizedVol(estimator=params.estimator, mean_zero=params.mean_zero, **columns)
    found = await calculated(call, params, REALIZED, asked)
    against = params.against
    if against is None:
        against = ["dvol" if params.window_days == DVOL_DAYS else "atm"]
    premiums = [await _premium(call, params, each, found.volatility_pct) for each in against]
    return RealizedOfCoin(
        **told,
        window_days=params.window_days,
        realized_pct=found.volatility_pct,
        observations=found.observations,
        sign=params.premium,
        premiums=premiums,
    )


async def _premium(call: Call, params: GetRealizedVol, against: Against, realized: float) -> Premium:
    if against == "dvol":
        day = await read_day(call.use(Deribit), params.currency)
        as_of, tenor = day.as_of, float(DVOL_DAYS)
        implied = day.candles[-1].close if day.candles else None
        reason = None if day.candles else "no_data"
    else:
        tenor = float(params.window_days)
        as_of, [point] = await atm_at(call, params, [tenor])
        implied, reason = point.iv_pct, point.reason
    sign = 1.0 if params.premium == "implied_minus_realized" else -1.0
    return Premium(
        against=against,
        as_of=as_of,
        tenor_days=tenor,
        implied_pct=implied,
        premium_points=None if implied is None else sign * (implied - realized),
        premium_variance=None if implied is None else sign * (implied**2 - realized**2) / 1e4,
        ratio=None if implied is None else implied / realized,
        reason=reason,
    )


class GetVolCone(OfBars):
    """Which bars, how to measure them, and over which windows."""

    lookback_days: Annotated[int, Field(ge=10, le=4_000)] = Field(default=365, description="How far back, in days.")
    windows_days: Annotated[list[Annotated[int, Field(ge=1, le=1_000)]], Field(min_length=1, max_length=20)] = Field(
        default=[7, 14, 30, 60, 90], description="Lengths of the windows, in days, each at least 3 bars."
    )
    percentiles: Annotated[list[Percentile], Field(min_length=1, max_length=20)] = Field(
        default=[5.0, 25.0, 50.0, 75.0, 95.0], description="Percentiles to tell, 0 to 100."
    )
    implied: bool = Field(default=True, description="Also tell ATM volatility at each length; one request more.")


class ConeOfWindow(ConeRow):
    """One length of window, beside what options price in for it."""

    window_days: int = Field(description="Length in days.")
    implied_pct: float | None = Field(description="ATM volatility of that tenor now; null unless asked for and listed.")
    implied_reason: str | None = Field(description="not_asked or outside_expiries; null when there is a number.")


class ConeOfCoin(Measured):
    """How realised volatility was distributed, beside what options price in."""

    lookback_days: int = Field(description="How far back, in days.")
    percentiles: list[float] = Field(description="Which percentiles each row tells, 0 to 100.")
    chain_as_of: datetime | None = Field(description="When the chain of the implied volatilities was so; null without.")
    rows: list[ConeOfWindow] = Field(description="One for each window asked for, in that order.")


@method("deribit.get_vol_cone", cost=20, deadline=Deadline.ANALYTICS)
async def get_vol_cone(call: Call, params: GetVolCone) -> ConeOfCoin:
    """Return how realised volatility was distributed by window, beside ATM volatility.

    Overlapping windows of closed bars of the perpetual, in percent a year; how many windows are independent is told.
    G. Burghardt and M. Lane, "How to tell if options are cheap", Journal of Portfolio Management 16 (1990).
    """
    bars_of_day = 86_400_000 / RESOLUTIONS[params.resolution]
    told, columns = await closed_bars(call, params, round(params.lookback_days * bars_of_day))
    asked = VolCone(
        estimator=params.estimator,
        mean_zero=params.mean_zero,
        windows=[_bars(days, bars_of_day, index, told["bars_used"]) for index, days in enumerate(params.windows_days)],
        percentiles=params.percentiles,
        **columns,
    )
    found = await calculated(call, params, CONE, asked)
    points: list[smiles.TermTenor] | None = None
    chain_as_of: datetime | None = None
    if params.implied:
        chain_as_of, points = await atm_at(call, params, [float(days) for days in params.windows_days])
    return ConeOfCoin(
        **told,
        lookback_days=params.lookback_days,
        percentiles=found.percentiles,
        chain_as_of=chain_as_of,
        rows=[
            ConeOfWindow(
                **dict(row),
                window_days=days,
                implied_pct=None if points is None else points[index].iv_pct,
                implied_reason="not_asked" if points is None else points[index].reason,
            )
            for index, (row, days) in enumerate(zip(found.rows, params.windows_days, strict=True))
        ],
    )


def _bars(days: int, bars_of_day: float, index: int, bars: int) -> int:
    """Return the length of a window in bars; one that cannot be measured is refused."""
    length = round(days * bars_of_day)
    if not 3 <= length < bars:
        most = int((bars - 1) / bars_of_day)
        rule = "at least 3 bars, and less than the bars there are"
        raise refusal(f"windows_days.{index}", rule, max(-(-3 // max(round(bars_of_day), 1)), min(days, most)))
    return length
