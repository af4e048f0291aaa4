"""What trades on the simulated Deribit: names, contract rules and the calendar of expiries and strikes.

Contract figures are Deribit's (2026). Which expiries and strikes exist is a pure function of time and of the price at
the moment an expiry was first listed, so a strike never vanishes because the market moved.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
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


@dataclass(frozen=True)
class TickGrid:
    """The prices an instrument may have: multiples of `fine` up to `threshold`, of `coarse` above it."""

    fine: Decimal
    threshold: Decimal | None = None
    coarse: Decimal | None = None

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
        return exact // step * step

    def up(self, price: float | Decimal) -> Decimal:
        """Return the lowest price of the grid that is not below `price`."""
        exact = Decimal(repr(round(price, 10))) if isinstance(price, float) else price
        step = self._step(exact)
        steps, rest = divmod(exact, step)
        return (steps + (1 if rest > 0 else 0)) * step

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
    kind: str  # option | future | option_combo | future_combo
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
    def index_name(self) -> str:
        return f"{self.coin.lower()}_{'usdc' if self.linear else 'usd'}"

    @property
    def expiry_code(self) -> str:
        return "PERPETUAL" if self.perpetual else expiry_code(self.expiry_ms)

    def record(self) -> dict[str, object]:
        """Return the instrument as public/get_instruments tells it."""
        quote = "USDC" if self.linear else self.coin if self.option else "USD"
        counter = "USDC" if self.linear else "USD"
        out: dict[str, object] = {
            "instrument_name": self.name,
            "instrument_id": key_of("instrument", self.name) % 900_000 + 100_000,
            "kind": self.kind,
            "state": "open",
            "is_active": True,
            "base_currency": self.coin,
            "quote_currency": quote,
            "counter_currency": counter,
            "settlement_currency": self.currency,
            "settlement_period": self.period,
            "instrument_type": "linear" if self.linear else "reversed",
            "price_index": self.index_name,
            "index_id": _COIN_IDS[self.coin],
            "product_group": self.coin,
            "underlying_type": "crypto",
            "creation_timestamp": self.created_ms,
            "expiration_timestamp": self.expiry_ms,
            "contract_size": float(self.contract_size),
            "min_trade_amount": float(self.minimum),
            "lot_size": 1,
            "tick_size": float(self.grid.fine),
            "tick_size_steps": self._steps(),
            "base_currency_uuid": _uuid(self.coin),
            "quote_currency_uuid": _uuid(quote),
            "block_trade_tick_size": float(self.grid.fine) if self.option else 0.01,
        }
        if self.option:
            out |= {
                "strike": self.strike,
                "option_type": "call" if self.is_call else "put",
                "maker_commission": 0.0003,
                "taker_commission": 0.0003,
                "block_trade_commission": 0.0003,
                "block_trade_min_trade_amount": 25 if self.coin == "BTC" else 250,
            }
        else:
            out |= {
                "future_type": "linear" if self.linear else "reversed",
                "max_leverage": self.leverage,
                "max_non_default_leverage": 5.0,
                "max_liquidation_commission": 0.0075,
                "maker_commission": 0.0,
                "taker_commission": 0.0005,
                "block_trade_commission": 0.00025,
                "block_trade_min_trade_amount": 200_000,
            }
        return out

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


# Contract rules

_OPTION_GRID = TickGrid(Decimal("0.0001"), Decimal("0.005"), Decimal("0.0005"))
_OPTION_LOT = {"BTC": Decimal("0.1"), "ETH": Decimal(1)}
_FUTURE_SIZE = {"BTC": Decimal(10), "ETH": Decimal(1)}
_FUTURE_TICK = {"BTC": Decimal("2.5"), "ETH": Decimal("0.05")}
_PERPETUAL_TICK = {"BTC": Decimal("0.5"), "ETH": Decimal("0.05")}
_LINEAR: dict[str, tuple[Decimal, Decimal]] = {  # tick, contract size
    "BTC": (Decimal(1), Decimal("0.001")),
    "ETH": (Decimal("0.1"), Decimal("0.01")),
    "SOL": (Decimal("0.01"), Decimal("0.1")),
    "XRP": (Decimal("0.0001"), Decimal(10)),
}
INVERSE_COINS: Final = ("BTC", "ETH")
_LISTED_2018_MS = 1_534_167_754_000


def option(coin: str, expiry_ms: int, strike: float, is_call: bool, created_ms: int) -> Instrument:
    """Make an inverse option."""
    lot = _OPTION_LOT[coin]
    return Instrument(
        name=f"{coin}-{expiry_code(expiry_ms)}-{int(strike)}-{'C' if is_call else 'P'}",
        kind="option",
        coin=coin,
        currency=coin,
        linear=False,
        grid=_OPTION_GRID,
        lot=lot,
        minimum=lot,
        contract_size=Decimal(1),
        created_ms=created_ms,
        expiry_ms=expiry_ms,
        period=_period(expiry_ms),
        strike=strike,
        is_call=is_call,
    )


def future(coin: str, expiry_ms: int, created_ms: int) -> Instrument:
    """Make a dated inverse future."""
    size = _FUTURE_SIZE[coin]
    return Instrument(
        name=f"{coin}-{expiry_code(expiry_ms)}",
        kind="future",
        coin=coin,
        currency=coin,
        linear=False,
        grid=TickGrid(_FUTURE_TICK[coin]),
        lot=size,
        minimum=size,
        contract_size=size,
        created_ms=created_ms,
        expiry_ms=expiry_ms,
        period=_period(expiry_ms),
        leverage=25,
    )


def perpetuals() -> list[Instrument]:
    """Return all perpetuals, inverse and linear."""
    inverse = [
        Instrument(
            name=f"{coin}-PERPETUAL",
            kind="future",
            coin=coin,
            currency=coin,
            linear=False,
            grid=TickGrid(_PERPETUAL_TICK[coin]),
            lot=_FUTURE_SIZE[coin],
            minimum=_FUTURE_SIZE[coin],
            contract_size=_FUTURE_SIZE[coin],
            created_ms=_LISTED_2018_MS,
        )
        for coin in INVERSE_COINS
    ]
    linear = [
        Instrument(
            name=f"{coin}_USDC-PERPETUAL",
            kind="future",
            coin=coin,
            currency="USDC",
            linear=True,
            grid=TickGrid(tick),
            lot=size,
            minimum=size,
            contract_size=size,
            created_ms=_LISTED_2018_MS,
        )
        for coin, (tick, size) in _LINEAR.items()
    ]
    return inverse + linear


# Calendar


@dataclass(frozen=True)
class Tenor:
    """A kind of expiry: how long before its end it was listed, how wide and how fine its strikes are."""

    period: str
    listed_days: int
    width: float  # strikes reach from price * (1 - width) to price * (1 + width * upper)
    upper: float
    step_share: float


_TENORS = {
    "day": Tenor("day", 4, 0.12, 1.0, 0.006),
    "week": Tenor("week", 28, 0.30, 1.0, 0.012),
    "month": Tenor("month", 95, 0.50, 1.3, 0.024),
    "quarter": Tenor("month", 370, 0.70, 2.2, 0.06),
}


def _is_last_friday(day: datetime) -> bool:
    return day.weekday() == 4 and (day + timedelta(days=7)).month != day.month


def _tenor(expiry_ms: int) -> Tenor:
    day = datetime.fromtimestamp(expiry_ms / 1000, UTC)
    if _is_last_friday(day):
        return _TENORS["quarter" if day.month % 3 == 0 else "month"]
    return _TENORS["week" if day.weekday() == 4 else "day"]


def _period(expiry_ms: int) -> str:
    return _tenor(expiry_ms).period


def live_expiries(now_ms: int) -> list[int]:
    """Return the expiries listed at a moment, ascending: four days, four Fridays, three months, four quarters."""
    first = now_ms - now_ms % DAY_MS + _EXPIRY_HOUR_MS
    if first <= now_ms:
        first += DAY_MS
    days = [first + n * DAY_MS for n in range(400)]
    fridays = [d for d in days if datetime.fromtimestamp(d / 1000, UTC).weekday() == 4]
    months = [d for d in fridays if _is_last_friday(datetime.fromtimestamp(d / 1000, UTC))]
    quarters = [d for d in months if datetime.fromtimestamp(d / 1000, UTC).month % 3 == 0]
    return sorted({*days[:4], *fridays[:4], *months[:3], *quarters[:4]})


def listed_at(expiry_ms: int) -> int:
    """Return when an expiry was first listed."""
    return expiry_ms - _tenor(expiry_ms).listed_days * DAY_MS


def strikes(expiry_ms: int, price: float) -> list[float]:
    """Return the strikes of an expiry, given the price when it was listed: round numbers, denser when it is short."""
    tenor = _tenor(expiry_ms)
    step = _round_step(price * tenor.step_share)
    low = max(step, price * (1.0 - tenor.width) // step * step)
    high = price * (1.0 + tenor.width * tenor.upper)
    return [float(round(low + n * step, 8)) for n in range(int((high - low) / step) + 1)]


def _round_step(raw: float) -> float:
    """Return the nearest of 1, 2, 2.5, 5 times a power of ten that is a whole number."""
    options = [base * 10.0**power for power in range(6) for base in (1.0, 2.0, 2.5, 5.0)]
    return min((o for o in options if o == int(o)), key=lambda o: abs(o - raw))


def model_listing(coin: str, now_ms: int, price_at: Callable[[int], float]) -> Iterable[Instrument]:
    """Yield the dated futures and options of a coin; `price_at` tells the index at a moment."""
    for expiry_ms in live_expiries(now_ms):
        created_ms = listed_at(expiry_ms)
        yield future(coin, expiry_ms, created_ms)
        for strike in strikes(expiry_ms, price_at(created_ms)):
            for is_call in (True, False):
                yield option(coin, expiry_ms, strike, is_call, created_ms)
