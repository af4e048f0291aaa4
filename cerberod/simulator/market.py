"""One market for every simulated venue: prices, forwards, volatility, funding and prints from one seed.

All of it is a pure function of (seed, asset, time), so a candle of last year, today's ticker and a book agree at any
resolution, and two runs of one seed are the same market. The only state is what a test does to it on purpose: `anchor`
sets where a price lies (a recorded chain does that), `move` makes it jump. Knows assets, not instruments or venues.

A *print* is a trade of the public: each asset's perpetual prints once at every knot of the path, twice a minute.
Candles, last trades and 24-hour statistics are all read from prints, which is why they cannot disagree.
"""

import math
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from cerberod.simulator.noise import KNOT_MS, BrownianPath, FloatArray, IntArray, SmoothNoise, key_of, uniform

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
YEAR_MS: Final = 365 * DAY_MS
HISTORY_START_MS: Final = 1_704_067_200_000  # 2024-01-01: nothing printed before

_Number = TypeVar("_Number", float, FloatArray)

FUNDING_STEP_MS: Final = 300_000
VOLATILITY_KNOT_MS: Final = 300_000
# Distance of the volatility index's finest knots; between two of them it is a straight line.

_FUNDING_DAMPENER = 0.00025
_INDEX_YEARS = 30.0 / 365.0
_INDEX_PREMIUM = 1.03  # over the volatility at the money: what the smile adds to a variance swap


@dataclass(frozen=True)
class Asset:
    """The character of one coin: where its price lies and how it moves. Volatilities are annual fractions."""

    name: str
    level: float
    volatility: float
    common_share: float  # correlation with the move all coins share
    short_volatility: float
    long_volatility: float
    skew: float
    carry: float  # annual
    daily_volume_usd: float
    decimals: int


ASSETS: Final[dict[str, Asset]] = {
    asset.name: asset
    for asset in (
        Asset("BTC", 86_000.0, 0.42, 0.85, 0.38, 0.46, -0.12, 0.045, 800e6, 2),
        Asset("ETH", 2_900.0, 0.62, 0.85, 0.58, 0.64, -0.08, 0.040, 450e6, 2),
        Asset("SOL", 140.0, 0.80, 0.80, 0.75, 0.80, -0.05, 0.050, 90e6, 4),
        Asset("XRP", 1.90, 0.75, 0.70, 0.72, 0.78, -0.03, 0.030, 40e6, 5),
    )
}


@dataclass(frozen=True)
class Funding:
    """Rates over 8 hours, as fractions: of this instant, and the mean of the last 8 hours."""

    current: float
    mean_8h: float


class _AssetPath:
    def __init__(self, seed: int, asset: Asset) -> None:
        key = (seed, asset.name)
        self.own = BrownianPath(key_of(*key, "path"))
        self.level_of_volatility = SmoothNoise(key_of(*key, "volatility"), 3 * DAY_MS)
        self.carry = SmoothNoise(key_of(*key, "carry"), 5 * DAY_MS)
        self.premium_fast = SmoothNoise(key_of(*key, "premium fast"), 600_000)
        self.premium_slow = SmoothNoise(key_of(*key, "premium slow"), 6 * HOUR_MS)
        self.index_of_volatility = SmoothNoise(key_of(*key, "volatility index"), VOLATILITY_KNOT_MS)
        self.index_of_volatility_slow = SmoothNoise(key_of(*key, "volatility index slow"), 3 * HOUR_MS)
        self.volume_key = key_of(*key, "volume")
        self.base_shift = 0.0
        self.moves: list[tuple[int, float]] = []


class Market:
    """The market of one seed. Times are milliseconds since 1970, prices US dollars."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._common = BrownianPath(key_of(seed, "common path"))
        self._paths = {name: _AssetPath(seed, asset) for name, asset in ASSETS.items()}

    # Prices

    def index(self, asset: str, time_ms: int) -> float:
        """Return the index price at a moment."""
        path, kind = self._paths[asset], ASSETS[asset]
        log = self._mix(kind, self._common.at(time_ms), path.own.at(time_ms)) + self._shift(path, time_ms)
        return round(kind.level * float(np.exp(log)), kind.decimals)

    def index_at_knots(self, asset: str, first: int, last: int) -> FloatArray:
        """Return the index price at each knot `first` … `last` (knot i is the moment i * KNOT_MS)."""
        path, kind = self._paths[asset], ASSETS[asset]
        log = self._mix(kind, self._common.knots(first, last), path.own.knots(first, last)) + path.base_shift
        times = np.arange(first, last + 1, dtype=np.int64) * KNOT_MS
        for since_ms, shift in path.moves:
            log = log + np.where(times >= since_ms, shift, 0.0)
        return np.round(kind.level * np.exp(log), kind.decimals)

    def index_at(self, asset: str, times_ms: IntArray) -> FloatArray:
        """Return the index price at moments far apart, in any order."""
        path, kind = self._paths[asset], ASSETS[asset]
        knot, rest = np.divmod(np.asarray(times_ms, dtype=np.int64), KNOT_MS)

        def along(brownian: BrownianPath) -> FloatArray:
            low = brownian.points(knot)
            return low + (brownian.points(knot + 1) - low) * (rest / KNOT_MS)

        log = self._mix(kind, along(self._common), along(path.own)) + path.base_shift
        for since_ms, shift in path.moves:
            log = log + np.where(times_ms >= since_ms, shift, 0.0)
        return np.round(kind.level * np.exp(log), kind.decimals)

    @staticmethod
    def _mix(kind: Asset, common: _Number, own: _Number) -> _Number:
        share = kind.common_share
        rest = math.sqrt(1.0 - share * share)
        return kind.volatility * (share * common + rest * own)

    @staticmethod
    def _shift(path: _AssetPath, time_ms: int) -> float:
        return path.base_shift + sum(shift for since_ms, shift in path.moves if time_ms >= since_ms)

    def forward(self, asset: str, time_ms: int, expiries_ms: IntArray) -> FloatArray:
        """Return the forward of each expiry: the index grown at one carry for all, so no calendar trade is free."""
        years = np.maximum(np.asarray(expiries_ms, dtype=np.float64) - time_ms, 0.0) / YEAR_MS
        return np.round(self.index(asset, time_ms) * np.exp(self._carry(asset, time_ms) * years), 2 + _extra(asset))

    def forward_at(self, asset: str, times_ms: IntArray, expiries_ms: IntArray) -> FloatArray:
        """Return forwards at moments far apart, in any order, each for its expiry."""
        times = np.asarray(times_ms, dtype=np.float64)
        carry = ASSETS[asset].carry * (1.0 + 0.25 * self._paths[asset].carry.at(times))
        years = np.maximum(expiries_ms - times, 0.0) / YEAR_MS
        return np.round(self.index_at(asset, times_ms) * np.exp(carry * years), 2 + _extra(asset))

    def forward_at_knots(self, asset: str, knots: IntArray, expiries_ms: IntArray) -> FloatArray:
        """Return forwards at knots, in any order, each for its expiry (the two arguments broadcast)."""
        first, last = int(knots.min()), int(knots.max())
        index = self.index_at_knots(asset, first, last)[knots - first]
        times = (knots * KNOT_MS).astype(np.float64)
        carry = ASSETS[asset].carry * (1.0 + 0.25 * self._paths[asset].carry.at(times))
        years = np.maximum(expiries_ms - times, 0.0) / YEAR_MS
        return np.round(index * np.exp(carry * years), 2 + _extra(asset))

    def _carry(self, asset: str, time_ms: int) -> float:
        noise = self._paths[asset].carry.at(np.array([time_ms], dtype=np.float64))
        return ASSETS[asset].carry * (1.0 + 0.25 * float(noise[0]))

    # Perpetual and funding

    def premium(self, asset: str, times_ms: FloatArray | IntArray) -> FloatArray:
        """Return (perpetual - index) / index at each moment."""
        path = self._paths[asset]
        return 0.00008 * path.premium_fast.at(times_ms) + 0.00016 * path.premium_slow.at(times_ms)

    def perpetual(self, asset: str, time_ms: int) -> float:
        """Return the perpetual's mark price at a moment."""
        premium = float(self.premium(asset, np.array([time_ms], dtype=np.float64))[0])
        return round(self.index(asset, time_ms) * (1.0 + premium), 2 + _extra(asset))

    def perpetual_at(self, asset: str, times_ms: IntArray) -> FloatArray:
        """Return the perpetual's mark price at moments far apart, in any order."""
        marks = self.index_at(asset, times_ms) * (1.0 + self.premium(asset, times_ms))
        return np.round(marks, 2 + _extra(asset))

    def perpetual_at_knots(self, asset: str, first: int, last: int) -> FloatArray:
        """Return the perpetual's mark price at each knot."""
        times = np.arange(first, last + 1, dtype=np.int64) * KNOT_MS
        marks = self.index_at_knots(asset, first, last) * (1.0 + self.premium(asset, times))
        return np.round(marks, 2 + _extra(asset))

    def funding_rates(self, asset: str, times_ms: FloatArray | IntArray) -> FloatArray:
        """Return the funding rate for 8 hours at each moment: the premium beyond a dead zone."""
        premium = self.premium(asset, times_ms)
        return premium - np.clip(premium, -_FUNDING_DAMPENER, _FUNDING_DAMPENER)

    def funding(self, asset: str, time_ms: int) -> Funding:
        """Return the funding rates at a moment."""
        times = time_ms - np.arange(0, 8 * HOUR_MS, FUNDING_STEP_MS, dtype=np.float64)
        rates = self.funding_rates(asset, times)
        return Funding(current=round(float(rates[0]), 8), mean_8h=round(float(rates.mean()), 8))

    # Volatility

    def volatility(self, asset: str, time_ms: int | FloatArray, years: FloatArray, moneyness: FloatArray) -> FloatArray:
        """Return implied volatilities as fractions; `moneyness` is ln(strike / forward).

        At the money a short and a long volatility are joined by one mean reversion, so total variance grows with
        expiry; across strikes the SSVI form with its power-law curvature (Gatheral and Jacquier 2014) stays inside
        their no-butterfly bound, so neither direction offers a free trade.
        """
        kind = ASSETS[asset]
        wobble = self._paths[asset].level_of_volatility.at(np.atleast_1d(np.asarray(time_ms, dtype=np.float64)))
        scale = np.exp(2.0 * 0.10 * wobble)
        t = np.maximum(np.asarray(years, dtype=np.float64), 1e-6)
        reversion = 6.0
        short, long = kind.short_volatility**2, kind.long_volatility**2
        theta = scale * (long * t + (short - long) * (1.0 - np.exp(-reversion * t)) / reversion)
        phi = 0.9 * theta**-0.4 * (1.0 + theta) ** -0.6
        shifted = phi * np.asarray(moneyness, dtype=np.float64) + kind.skew
        total = 0.5 * theta * (1.0 + kind.skew * (shifted - kind.skew) + np.sqrt(shifted**2 + 1.0 - kind.skew**2))
        return np.sqrt(total / t)

    def volatility_index(self, asset: str, times_ms: IntArray) -> FloatArray:
        """Return the 30-day volatility index in percent, unrounded: near the surface at the money, a little above."""
        times = np.asarray(times_ms, dtype=np.float64)
        at_the_money = self.volatility(asset, times, np.full(len(times), _INDEX_YEARS), np.zeros(len(times)))
        path = self._paths[asset]
        noise = 0.0006 * path.index_of_volatility.at(times) + 0.006 * path.index_of_volatility_slow.at(times)
        return 100.0 * _INDEX_PREMIUM * at_the_money * (1.0 + noise)

    # Activity

    def volume_usd_at_knots(self, asset: str, first: int, last: int) -> FloatArray:
        """Return the notional that prints at each knot, in US dollars: heavy-tailed, with a daily rhythm."""
        index = np.arange(first, last + 1, dtype=np.int64)
        draw = uniform(self._paths[asset].volume_key, index)
        hour = (index * KNOT_MS % DAY_MS) / HOUR_MS
        rhythm = 1.0 + 0.45 * np.sin((hour - 9.0) * (np.pi / 12.0))
        return ASSETS[asset].daily_volume_usd * KNOT_MS / DAY_MS * rhythm * -np.log(draw)

    # What a test or a recording may do to it

    def anchor(self, asset: str, time_ms: int, price: float) -> None:
        """Shift the asset's whole past and future so that its index is `price` at `time_ms`."""
        path, kind = self._paths[asset], ASSETS[asset]
        raw = self._mix(kind, self._common.at(time_ms), path.own.at(time_ms))
        path.base_shift = float(np.log(price / kind.level)) - raw

    def move(self, asset: str, time_ms: int, factor: float) -> None:
        """Multiply the index by `factor` from `time_ms` on; what was before stays as it was."""
        path = self._paths[asset]
        shift = float(np.log(factor))
        for position, (since_ms, earlier) in enumerate(path.moves):
            if since_ms == time_ms:
                path.moves[position] = (since_ms, earlier + shift)
                return
        path.moves.append((time_ms, shift))

    def moved(self, asset: str, time_ms: int) -> float:
        """Return the product of all moves in force at a moment."""
        return float(np.exp(sum(shift for since_ms, shift in self._paths[asset].moves if time_ms >= since_ms)))

    def settle_moves(self) -> None:
        """Forget every move (a reset of the simulator); anchors stay."""
        for path in self._paths.values():
            path.moves.clear()


def _extra(asset: str) -> int:
    """Return how many decimals more than two this asset's derived prices carry."""
    return ASSETS[asset].decimals - 2
