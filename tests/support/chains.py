"""Option chains to serve, and what follows from them, worked out by scipy and QuantLib alone.

Nothing here imports what it is held against: names, times, interpolation and sums are written anew.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import QuantLib as ql
from scipy.optimize import brentq
from scipy.stats import norm

Row = dict[str, Any]
YEAR_MS = 365 * 86_400_000
NOW_MS = 1_787_370_645_199
"""2026-08-22T03:50:45.199Z, when the recorded chains were recorded; the constructed one is of the same moment."""
_NAME = re.compile(r"(\w+)-(\d+)([A-Z]{3})(\d\d)-([\dd]+)-([CP])")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Line:
    """One option of a chain."""

    name: str
    expiry: str
    years: float
    strike: float
    call: bool
    forward: float
    volatility: float
    open_interest: float
    volume: float

    @property
    def gamma(self) -> float:
        deviation = self.volatility * self.years**0.5
        d1 = np.log(self.forward / self.strike) / deviation + 0.5 * deviation
        return float(norm.pdf(d1) / (self.forward * deviation))

    def price(self) -> float:
        """Black-76, quote currency, by QuantLib."""
        kind = ql.Option.Call if self.call else ql.Option.Put
        return float(ql.blackFormula(kind, self.strike, self.forward, self.volatility * self.years**0.5))


def line(row: Row) -> Line:
    """Read one row of a book summary."""
    found = _NAME.fullmatch(row["instrument_name"])
    assert found is not None
    _, day, month, year, strike, side = found.groups()
    expires = datetime(2000 + int(year), _MONTHS.index(month) + 1, int(day), 8, tzinfo=UTC)
    years = (expires.timestamp() * 1000 - row["creation_timestamp"]) / YEAR_MS
    return Line(
        row["instrument_name"],
        day + month + year,
        years,
        float(strike.replace("d", ".")),
        side == "C",
        row["underlying_price"],
        row["mark_iv"] / 100,
        row["open_interest"],
        row["volume"],
    )


class Oracle:
    """What follows from the rows of a chain."""

    def __init__(self, rows: list[Row]) -> None:
        self.spot = float(np.median([row["estimated_delivery_price"] for row in rows]))
        self.open = [line(row) for row in rows]
        """Every option, one without volatility too."""
        self.lines = [each for each in self.open if each.volatility > 0]

    def expiries(self) -> list[str]:
        years = {each.expiry: each.years for each in self.lines}
        return sorted(years, key=years.__getitem__)

    def gex(self) -> tuple[float, float]:
        """Calls and puts, both positive, USD per 1 % move."""
        each = [(x.call, x.gamma * x.open_interest * x.forward**2 * 0.01) for x in self.lines]
        return sum(v for call, v in each if call), sum(v for call, v in each if not call)

    def net_gex_at(self, level: float) -> float:
        """Calls minus puts with spot at another level: forwards in proportion, volatilities as they are."""
        f = np.array([x.forward for x in self.lines]) * level / self.spot
        k = np.array([x.strike for x in self.lines])
        deviation = np.array([x.volatility * x.years**0.5 for x in self.lines])
        d1 = np.log(f / k) / deviation + deviation / 2
        size = np.array([x.open_interest * (1 if x.call else -1) for x in self.lines])
        return float(np.sum(size * norm.pdf(d1) / (f * deviation) * f**2 * 0.01))

    def flip(self, around: float, width: float) -> float:
        """Where that crosses zero, by Brent's method about a level."""
        return float(brentq(self.net_gex_at, around - width, around + width))

    def smile(self, expiry: str) -> tuple[float, float, np.ndarray, np.ndarray]:
        """Forward, years, strikes and volatilities; at each strike the option out of the money."""
        here = [x for x in self.lines if x.expiry == expiry]
        forward = float(np.median([x.forward for x in here]))
        chosen = {x.strike: x.volatility for x in here}
        chosen |= {x.strike: x.volatility for x in here if x.call == (x.strike >= forward)}
        strikes = np.array(sorted(chosen))
        return forward, here[0].years, strikes, np.array([chosen[strike] for strike in strikes])

    def atm(self, expiry: str) -> float:
        forward, _, strikes, volatility = self.smile(expiry)
        return float(np.interp(0.0, np.log(strikes / forward), volatility))

    def at_call_delta(self, expiry: str, delta: float) -> float:
        """Volatility at a call delta (a put's is one less), linear in delta between strikes."""
        forward, years, strikes, volatility = self.smile(expiry)
        deltas = norm.cdf((np.log(forward / strikes) + 0.5 * volatility**2 * years) / (volatility * years**0.5))
        return float(np.interp(-delta, -deltas, volatility))

    def pain(self, expiry: str) -> tuple[float, float]:
        """The strike where least is paid, and how much."""
        here = [x for x in self.open if x.expiry == expiry]
        paid = {
            at: sum(x.open_interest * max((at - x.strike) if x.call else (x.strike - at), 0.0) for x in here)
            for at in sorted({x.strike for x in here})
        }
        least = min(paid, key=lambda at: (paid[at], at))
        return least, paid[least]

    def ratio(self, name: str) -> float:
        """Puts over calls of `open_interest` or `volume`."""
        sizes: dict[bool, float] = {True: 0.0, False: 0.0}
        for each in self.open:
            sizes[each.call] += getattr(each, name)
        return sizes[False] / sizes[True]


def build(coin: str = "BTC", spot: float = 80_000.0) -> list[Row]:
    """Construct a chain: four expiries, nine strikes each, a smile that tilts, marks by Black-76, and odd rows.

    The odd ones: the first call has no volatility, the last put nobody bids for, the last call is crossed.
    """
    rows: list[Row] = []
    for number, (expiry, carry) in enumerate(
        [("23AUG26", 0.0), ("28AUG26", 0.001), ("25SEP26", 0.004), ("25DEC26", 0.012)]
    ):
        forward = round(spot * (1 + carry), 2)
        for place, factor in enumerate((0.75, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.35)):
            strike = round(spot * factor)
            for side in "CP":
                row: Row = {
                    "instrument_name": f"{coin}-{expiry}-{strike}-{side}",
                    "base_currency": coin,
                    "quote_currency": coin,
                    "creation_timestamp": NOW_MS,
                    "estimated_delivery_price": spot,
                    "underlying_price": forward,
                    "underlying_index": f"SYN.{coin}-{expiry}" if number == 0 else f"{coin}-{expiry}",
                    "interest_rate": 0.0,
                    "mark_iv": round(45 - 2 * number + 60 * (factor - 1.02) ** 2 - 8 * (factor - 1), 2),
                    "open_interest": round(
                        40.0 + 13 * place + 7 * number + (31 * (4 - place) if side == "P" else 0), 1
                    ),
                    "volume": 3.0 * place + (1.0 if side == "C" else 2.0),
                    "volume_usd": 0.0,
                    "high": None,
                    "low": None,
                    "last": None,
                    "price_change": None,
                }
                mark = line(row).price() / forward
                row["mark_price"] = round(mark, 8)
                tick = 0.0005 if mark > 0.0045 else 0.0001
                bid, ask = round(mark * 0.98 // tick * tick, 4), round((mark * 1.02 // tick + 2) * tick, 4)
                row |= {
                    "bid_price": bid or None,
                    "ask_price": ask,
                    "mid_price": round((bid + ask) / 2, 8) if bid else None,
                }
                rows.append(row)
    rows[0]["mark_iv"] = 0.0
    rows[-1] |= {"bid_price": None, "mid_price": None}
    rows[-2] |= {"bid_price": rows[-2]["ask_price"]}
    return rows
