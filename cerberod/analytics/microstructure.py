"""What an order book says: who waits on which side, where the next trade leans, what a size would cost to take now.

A book is four arrays, best level first: bid prices falling, ask prices rising, each with its sizes. Prices are in quote
currency; sizes are in one unit, the caller's, all above zero. An empty side, levels out of order and a crossed or
locked book (best bid not below best ask) are refused: no mid-price means anything there. The mid is half the sum of the
best prices; bps are hundredths of a per cent of it. This module knows no venue, and nothing of what happens after: the
orders that would come or go when a size is taken are not in the book.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics import arrays
from cerberod.analytics.arrays import FloatArray, Masked, masked
from cerberod.analytics.bars import number, prices, whole
from cerberod.errors import AnalyticsRefused

_BPS = 1e4


class Side(StrEnum):
    """What the taker does: `BUY` takes asks, `SELL` takes bids."""

    BUY = "buy"
    SELL = "sell"


class FillReason(IntEnum):
    """Why a size has no price: `TOO_LITTLE_DEPTH`, the book given ends before it is filled."""

    TOO_LITTLE_DEPTH = 1


class Book(NamedTuple):
    """A checked order book, best level first; make it with `book`."""

    bid_prices: FloatArray
    bid_sizes: FloatArray
    ask_prices: FloatArray
    ask_sizes: FloatArray

    @property
    def mid(self) -> float:
        return 0.5 * (float(self.bid_prices[0]) + float(self.ask_prices[0]))

    @property
    def spread_bps(self) -> float:
        return (float(self.ask_prices[0]) - float(self.bid_prices[0])) / self.mid * _BPS


@dataclass(frozen=True, slots=True, eq=False)
class LevelImbalance:
    """Imbalance of the best 1, 2, 3 … levels of both sides, each from -1 (asks only) to 1 (bids only).

    `imbalances[k]` is over the best k + 1 levels, with the summed sizes it was made from. `levels` may be fewer than
    asked for: no side is counted deeper than the other.
    """

    imbalances: FloatArray
    bid_sizes: FloatArray
    ask_sizes: FloatArray
    levels: int


@dataclass(frozen=True, slots=True, eq=False)
class DepthImbalance:
    """Imbalance of all orders within each distance of the mid, from -1 (asks only) to 1 (bids only).

    Masked (`NO_ORDERS`) where a band is empty on both sides. `bid_complete` and `ask_complete` tell whether the levels
    given reach beyond the band: where one does not, deeper orders may be missing from its sum.
    """

    imbalances: Masked
    bid_sizes: FloatArray
    ask_sizes: FloatArray
    bid_complete: arrays.BoolArray
    ask_complete: arrays.BoolArray


@dataclass(frozen=True, slots=True)
class Fill:
    """What taking a size at once would cost against this book, fees not counted.

    `vwap` is the average price, `worst` the last one touched, `filled` what the book could give and `levels` the levels
    it took. Costs are positive when they are against the taker, on either side: `slippage_bps` is vwap against mid,
    `from_best_bps` vwap against the best price of the side taken, `impact_bps` the worst price against mid, and
    `slippage` the first as a fraction. With too little depth all of them are `None` and `reason` says so; `filled` and
    `levels` still tell what was there.
    """

    side: Side
    size: float
    filled: float
    levels: int
    vwap: float | None
    worst: float | None
    slippage: float | None
    slippage_bps: float | None
    from_best_bps: float | None
    impact_bps: float | None
    reason: FillReason | None


def book(bid_prices: ArrayLike, bid_sizes: ArrayLike, ask_prices: ArrayLike, ask_sizes: ArrayLike) -> Book:
    """Return a checked book; each price at most once on its side."""
    bids, bid_size = _levels("bid", bid_prices, bid_sizes)
    asks, ask_size = _levels("ask", ask_prices, ask_sizes)
    if not np.all(np.diff(bids) < 0.0):
        raise AnalyticsRefused("bid_prices", "must fall from level to level, the best first")
    if not np.all(np.diff(asks) > 0.0):
        raise AnalyticsRefused("ask_prices", "must rise from level to level, the best first")
    if bids[0] >= asks[0]:
        raise AnalyticsRefused("bid_prices", "the best bid must be below the best ask: the book is crossed or locked")
    return Book(bids, bid_size, asks, ask_size)


def imbalance_by_level(given: Book, levels: int = 10) -> LevelImbalance:
    """Return `(B - A) / (B + A)` of the sizes on the best 1 … `levels` levels.

    Source: R. Cont, A. Kukanov and S. Stoikov, "The price impact of order book events", Journal of Financial
    Econometrics 12(1), 2014, and M. Gould and J. Bonart, "Queue imbalance as a one-tick-ahead price predictor in a
    limit order book", Market Microstructure and Liquidity 2(2), 2016, for the best level.
    """
    deep = min(whole("levels", levels, 1), given.bid_prices.size, given.ask_prices.size)
    bids, asks = np.cumsum(given.bid_sizes[:deep]), np.cumsum(given.ask_sizes[:deep])
    return LevelImbalance((bids - asks) / (bids + asks), bids, asks, deep)


def imbalance_by_depth(given: Book, depths_bps: Sequence[float] = (10.0, 25.0, 50.0, 100.0)) -> DepthImbalance:
    """Return `(B - A) / (B + A)` of the sizes within each of `depths_bps` of the mid, the edge included.

    Depths are above 0 and at most 10 000 bps.
    """
    depths = arrays.series("depths_bps", arrays.positive("depths_bps", depths_bps))
    if not np.all(depths <= _BPS):
        raise AnalyticsRefused("depths_bps", "must not be above 10000")
    mid = given.mid
    bid_sums, bid_complete = _within((mid - given.bid_prices) / mid * _BPS, given.bid_sizes, depths)
    ask_sums, ask_complete = _within((given.ask_prices - mid) / mid * _BPS, given.ask_sizes, depths)
    total = bid_sums + ask_sums
    empty = total <= 0.0
    shares = (bid_sums - ask_sums) / np.where(empty, 1.0, total)
    return DepthImbalance(masked(shares, empty), bid_sums, ask_sums, bid_complete, ask_complete)


def microprice(given: Book) -> float:
    """Return the mid weighted by the opposite sizes: `(bid * ask size + ask * bid size) / (bid size + ask size)`.

    Quote currency, between the best prices and nearer to the side with less waiting, where the next trade is likelier
    to go. Source: J. Gatheral and R. Oomen, "Zero-intelligence realized variance estimation", Finance and Stochastics
    14, 2010; the martingale that S. Stoikov, "The micro-price", Quantitative Finance 18(12), 2018, calls by this name
    adds corrections that need a history of books.
    """
    bid, ask = float(given.bid_prices[0]), float(given.ask_prices[0])
    share = float(given.bid_sizes[0]) / (float(given.bid_sizes[0]) + float(given.ask_sizes[0]))
    return bid + (ask - bid) * share


def take(given: Book, side: Side, size: float, *, inverse: bool = False) -> Fill:
    """Return what it costs to take `size`, in the book's unit, from the best price on.

    `inverse` is for contracts whose sizes are quote currency (coin-settled): their average price is the size over the
    coins it is worth, the harmonic mean, as venues book it.
    """
    wanted = number("size", size, 1.0 / arrays.LARGEST, arrays.LARGEST)
    match side:
        case Side.BUY:
            levels, sizes, sign = given.ask_prices, given.ask_sizes, 1.0
        case Side.SELL:
            levels, sizes, sign = given.bid_prices, given.bid_sizes, -1.0
        case _:
            assert_never(side)
    reached = np.cumsum(sizes)
    last = int(np.searchsorted(reached, wanted))
    if last == levels.size:
        nothing = FillReason.TOO_LITTLE_DEPTH
        return Fill(side, wanted, float(reached[-1]), last, None, None, None, None, None, None, nothing)
    parts = sizes[: last + 1].copy()
    parts[-1] = wanted - (float(reached[last - 1]) if last else 0.0)
    touched = levels[: last + 1]
    weights = parts / parts.sum()
    vwap = 1.0 / float(weights @ (1.0 / touched)) if inverse else float(weights @ touched)
    worst, best, mid = float(touched[-1]), float(touched[0]), given.mid
    slippage = sign * (vwap - mid) / mid
    return Fill(
        side=side,
        size=wanted,
        filled=wanted,
        levels=last + 1,
        vwap=vwap,
        worst=worst,
        slippage=slippage,
        slippage_bps=slippage * _BPS,
        from_best_bps=sign * (vwap - best) / best * _BPS,
        impact_bps=sign * (worst - mid) / mid * _BPS,
        reason=None,
    )


def _levels(side: str, level_prices: ArrayLike, level_sizes: ArrayLike) -> tuple[FloatArray, FloatArray]:
    price, size = f"{side}_prices", f"{side}_sizes"
    checked = prices(price, level_prices)
    sizes = arrays.positive(size, level_sizes)
    if sizes.shape != checked.shape:
        raise AnalyticsRefused(size, f"must be as long as {price}")
    return checked, sizes


def _within(distances: FloatArray, sizes: FloatArray, depths: FloatArray) -> tuple[FloatArray, arrays.BoolArray]:
    """Return the summed sizes no further than each depth, and whether the levels go on beyond it.

    A level that stands on the edge counts, although its distance may have been rounded a little beyond.
    """
    count = np.searchsorted(distances, depths * (1.0 + 1e-9), side="right")
    sums = np.concatenate([[0.0], np.cumsum(sizes)])
    return sums[count], count < sizes.size
