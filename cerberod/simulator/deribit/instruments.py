"""What an instrument of the simulated Deribit is: its name, its tick grid, and how the venue tells it.

Which instruments exist, and by which contract rules, is `listing.py`'s; packages of them are `combos.py`'s.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from cerberod.simulator.market import DAY_MS
from cerberod.simulator.noise import key_of

NEVER_MS: Final = 32_503_708_800_000
_EXPIRY_HOUR_MS = 8 * 3_600_000
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_OPTION_NAME = re.compile(r"^([A-Z]+)-(\d{1,2})([A-Z]{3})(\d{2})-(\d+)-([CP])$")
_DATED_NAME = re.compile(r"^([A-Z]+(?:_[A-Z]+)?)-(\d{1,2})([A-Z]{3})(\d{2})(?:-[\dd]+-[CP])?$")
_ANY_NAME = re.compile(r"^[A-Z0-9]{2,10}(_[A-Z0-9]{2,10})?(-[A-Z0-9_d]+){0,3}$")

_COIN_IDS = {"BTC": 1_000_033, "ETH": 1_000_034, "SOL": 1_000_051, "XRP": 1_000_052}
_BLOCK_MINIMUM = {"BTC": 25, "ETH": 250, "SOL": 2_500, "XRP": 100_000}


@dataclass(frozen=True)
class TickGrid:
    """The prices an instrument may have: multiples of `fine` up to `threshold`, of `coarse` above it.

    A `signed` grid goes on below zero: a package of legs may cost less than nothing.
    """

    fine: Decimal
    threshold: Decimal | None = None
    coarse: Decimal | None = None
    signed: bool = False

    def _step(self, price: Decimal) -> Decimal:
        if self.threshold is not None and self.coarse is not None and price > self.threshold:
            return self.coarse
        return self.fine

    def fits(self, price: Decimal) -> bool:
        """Tell whether a price lies on the grid."""
        return price % self._step(price) == 0

    def down(self, price: float | Decimal) -> Decimal:
        """Return the highest price of the grid that is not above `price` (a float's last digits are forgiven)."""
        exact = Decimal(repr(round(price, 10))) if isinstance(price, float) else price
        step = self._step(exact)
        return (exact / step).to_integral_value(ROUND_FLOOR) * step

    def up(self, price: float | Decimal) -> Decimal:
        """Return the lowest price of the grid that is not below `price`."""
        exact = Decimal(repr(round(price, 10))) if isinstance(price, float) else price
        step = self._step(exact)
        return (exact / step).to_integral_value(ROUND_CEILING) * step

    def next_up(self, price: Decimal) -> Decimal:
        """Return the grid price after `price`."""
        return self.down(price) + self._step(price + self.fine)

    def next_down(self, price: Decimal) -> Decimal:
        """Return the grid price before `price`."""
        return self.up(price) - self._step(price)


@dataclass(frozen=True)
class Leg:
    """One part of a combo: buying one combo trades `ratio` of the leg, sold where the ratio is negative."""

    instrument: "Instrument"
    ratio: int


@dataclass(frozen=True)
class Instrument:
    """One tradable contract: `coin` is the market's asset, `currency` what premium, margin and profit are paid in."""

    name: str
    kind: str  # option | future | spot | option_combo | future_combo
    coin: str
    currency: str
    linear: bool
    grid: TickGrid
    lot: Decimal  # amounts are multiples of it, and at least `minimum`
    minimum: Decimal
    contract_size: Decimal
    created_ms: int
    expiry_ms: int = NEVER_MS
    period: str = "perpetual"
    strike: float = 0.0
    is_call: bool = False
    leverage: int = 50
    legs: tuple[Leg, ...] = ()  # of a combo, in the venue's own signs

    @property
    def perpetual(self) -> bool:
        return self.expiry_ms == NEVER_MS

    @property
    def option(self) -> bool:
        return self.kind == "option"

    @property
    def combo(self) -> bool:
        return bool(self.legs)

    @property
    def premium(self) -> bool:
        """Tell whether its price is an option premium, of one option or of a package."""
        return self.kind in ("option", "option_combo")

    @property
    def spot(self) -> bool:
        return self.kind == "spot"

    @property
    def quote(self) -> str:
        """Return the currency its price is in."""
        if self.linear:
            return self.currency
        return self.coin if self.premium else "USD"

    @property
    def index_name(self) -> str:
        return f"{self.coin.lower()}_{self.currency.lower() if self.linear else 'usd'}"

    @property
    def expiry_code(self) -> str:
        return "PERPETUAL" if self.perpetual else expiry_code(self.expiry_ms)

    @property
    def strike_code(self) -> str:
        return strike_code(self.strike)

    def record(self, *, active: bool = True) -> dict[str, object]:
        """Return the instrument as public/get_instruments tells it; an inactive one is a combo put to rest."""
        out: dict[str, object] = {
            "instrument_name": self.name,
            "instrument_id": self.instrument_id,
            "kind": self.kind,
            "state": "open" if active else "inactive",
            "is_active": active,
            "base_currency": self.coin,
            "quote_currency": self.quote,
            "counter_currency": self.currency if self.linear else "USD",
            "settlement_currency": self.currency,
            "settlement_period": self.period,
            "instrument_type": "linear" if self.linear else "reversed",
            "price_index": self.index_name,
            "creation_timestamp": self.created_ms,
            "expiration_timestamp": self.expiry_ms,
            "contract_size": float(self.contract_size),
            "min_trade_amount": float(self.minimum),
            "tick_size": float(self.grid.fine),
            "tick_size_steps": self._steps(),
            "maker_commission": 0.0,
            "taker_commission": 0.0,
        }
        if self.combo:
            return out
        out |= {
            "index_id": _COIN_IDS[self.coin],
            "product_group": self.coin,
            "underlying_type": "crypto",
            "lot_size": 1,
            "base_currency_uuid": _uuid(self.coin),
            "quote_currency_uuid": _uuid(self.quote),
            "block_trade_tick_size": float(self.grid.fine) if self.option else 0.01,
            "block_trade_commission": 0.0,
        }
        if self.spot:
            del out["settlement_currency"], out["settlement_period"]
            out["block_trade_min_trade_amount"] = _BLOCK_MINIMUM[self.coin]
        elif self.option:
            out |= {
                "strike": self.strike,
                "option_type": "call" if self.is_call else "put",
                "maker_commission": 0.0001 if self.linear else 0.0003,
                "taker_commission": 0.0005 if self.linear else 0.0003,
                "block_trade_commission": 0.0003,
                "block_trade_min_trade_amount": _BLOCK_MINIMUM[self.coin],
            }
        else:
            out |= {
                "future_type": "linear" if self.linear else "reversed",
                "max_leverage": self.leverage,
                "max_non_default_leverage": 5.0,
                "max_liquidation_commission": 0.0075,
                "taker_commission": 0.0005,
                "block_trade_commission": 0.00025,
                "block_trade_min_trade_amount": 200_000,
            }
        return out

    @property
    def instrument_id(self) -> int:
        return key_of("instrument", self.name) % 2_000_000_000 + 100_000

    def _steps(self) -> list[dict[str, float]]:
        if self.grid.threshold is None or self.grid.coarse is None:
            return []
        return [{"tick_size": float(self.grid.coarse), "above_price": float(self.grid.threshold)}]


def _uuid(currency: str) -> str:
    text = f"{key_of('currency', currency):016x}{key_of('currency again', currency):016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def well_formed(name: str) -> bool:
    """Tell whether a text could be the name of an instrument."""
    return _ANY_NAME.match(name) is not None


def expiry_code(expiry_ms: int) -> str:
    """Write an expiry as names do: 25DEC26, 6OCT26."""
    moment = datetime.fromtimestamp(expiry_ms / 1000, UTC)
    return f"{moment.day}{_MONTHS[moment.month - 1]}{moment.year % 100:02d}"


def strike_code(strike: float) -> str:
    """Write a strike as names do: 90000, and 1d52 for 1.52."""
    return format(Decimal(repr(strike)).normalize(), "f").replace(".", "d")


def date_of(time_ms: int) -> str:
    """Write a day as 2026-12-25."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()


def settled_at(now_ms: int) -> int:
    """Return the last 08:00 UTC that is not after a moment."""
    return now_ms - (now_ms - _EXPIRY_HOUR_MS) % DAY_MS


def parse_dated_name(name: str) -> tuple[str, int] | None:
    """Read what stands before the expiry, and the expiry (ms), in a name of a future or an option; else None."""
    found = _DATED_NAME.match(name)
    if found is None:
        return None
    expiry_ms = _expiry(found[2], found[3], found[4])
    return None if expiry_ms is None else (found[1], expiry_ms)


def _expiry(day: str, month: str, year: str) -> int | None:
    if month not in _MONTHS:
        return None
    try:
        moment = datetime(2000 + int(year), _MONTHS.index(month) + 1, int(day), 8, tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp() * 1000)


def parse_option_name(name: str) -> tuple[str, int, float, bool] | None:
    """Read coin, expiry (ms), strike and whether it is a call from an inverse option's name; None if it is none."""
    found = _OPTION_NAME.match(name)
    if found is None:
        return None
    expiry_ms = _expiry(found[2], found[3], found[4])
    return None if expiry_ms is None else (found[1], expiry_ms, float(found[5]), found[6] == "C")
