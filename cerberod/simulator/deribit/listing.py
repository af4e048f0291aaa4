"""What trades on the simulated Deribit: contract rules, and the calendar of expiries and strikes.

Contract figures of coin-settled products and of USDC perpetuals are Deribit's; of USDC options only the multipliers of
SOL and XRP are known, the rest is chosen to be plausible. Which expiries and strikes exist is a pure function of time
and of the price at the moment an expiry was first listed, so a strike never vanishes because the market moved.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from cerberod.simulator.deribit.combos import combo_of, recognise
from cerberod.simulator.deribit.instruments import Instrument, Leg, TickGrid, expiry_code, strike_code
from cerberod.simulator.market import DAY_MS, HOUR_MS

INVERSE_COINS: Final = ("BTC", "ETH")
_EXPIRY_HOUR_MS = 8 * HOUR_MS
_LISTED_2018_MS = 1_534_167_754_000

_MADE_ONCE = 16_384
"""How many options are kept, which every environment lists alike and years of settlements ask for again."""
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
_LINEAR_OPTION: dict[str, tuple[Decimal, Decimal]] = {  # tick, contract size
    "BTC": (Decimal(5), Decimal("0.01")),
    "ETH": (Decimal("0.2"), Decimal("0.1")),
    "SOL": (Decimal("0.01"), Decimal(10)),
    "XRP": (Decimal("0.0001"), Decimal(1_000)),
}
LINEAR_COINS: Final = tuple(_LINEAR_OPTION)
_SPOT: dict[str, tuple[Decimal, Decimal]] = {  # tick, contract size
    "BTC": (Decimal("0.01"), Decimal("0.0001")),
    "ETH": (Decimal("0.01"), Decimal("0.001")),
    "SOL": (Decimal("0.01"), Decimal("0.01")),
    "XRP": (Decimal("0.0001"), Decimal(1)),
}


@lru_cache(maxsize=_MADE_ONCE)
def option(coin: str, expiry_ms: int, strike: float, is_call: bool, created_ms: int) -> Instrument:
    """Make an inverse option."""
    lot = _OPTION_LOT[coin]
    return Instrument(
        name=_option_name(coin, expiry_ms, strike, is_call),
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


@lru_cache(maxsize=_MADE_ONCE)
def linear_option(coin: str, expiry_ms: int, strike: float, is_call: bool, created_ms: int) -> Instrument:
    """Make an option that is paid and settled in USDC."""
    tick, size = _LINEAR_OPTION[coin]
    return Instrument(
        name=_option_name(f"{coin}_USDC", expiry_ms, strike, is_call),
        kind="option",
        coin=coin,
        currency="USDC",
        linear=True,
        grid=TickGrid(tick),
        lot=size,
        minimum=size,
        contract_size=size,
        created_ms=created_ms,
        expiry_ms=expiry_ms,
        period=_period(expiry_ms),
        strike=strike,
        is_call=is_call,
    )


def _option_name(base: str, expiry_ms: int, strike: float, is_call: bool) -> str:
    return f"{base}-{expiry_code(expiry_ms)}-{strike_code(strike)}-{'C' if is_call else 'P'}"


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
        _without_expiry(f"{coin}-PERPETUAL", "future", coin, coin, _PERPETUAL_TICK[coin], _FUTURE_SIZE[coin])
        for coin in INVERSE_COINS
    ]
    linear = [
        _without_expiry(f"{coin}_USDC-PERPETUAL", "future", coin, "USDC", tick, size)
        for coin, (tick, size) in _LINEAR.items()
    ]
    return inverse + linear


def spot_pairs() -> list[Instrument]:
    """Return the spot pairs: every coin in USDC, the two largest in USDT too."""
    in_usdc = [
        _without_expiry(f"{coin}_USDC", "spot", coin, "USDC", tick, size) for coin, (tick, size) in _SPOT.items()
    ]
    in_usdt = [replace(i, name=f"{i.coin}_USDT", currency="USDT") for i in in_usdc if i.coin in INVERSE_COINS]
    return in_usdc + in_usdt


def _without_expiry(name: str, kind: str, coin: str, currency: str, tick: Decimal, size: Decimal) -> Instrument:
    return Instrument(
        name=name,
        kind=kind,
        coin=coin,
        currency=currency,
        linear=currency != coin,
        grid=TickGrid(tick),
        lot=size,
        minimum=size,
        contract_size=size,
        created_ms=_LISTED_2018_MS,
    )


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


def strikes(expiry_ms: int, price: float, *, whole: bool = True, spread: float = 1.0) -> list[float]:
    """Return the strikes of an expiry, given the price when it was listed: round numbers, denser when it is short.

    `whole` keeps to whole numbers; `spread` widens the distance between strikes.
    """
    tenor = _tenor(expiry_ms)
    step = _round_step(price * tenor.step_share * spread, whole)
    low = max(step, price * (1.0 - tenor.width) // step * step)
    high = price * (1.0 + tenor.width * tenor.upper)
    return [float(round(low + n * step, 8)) for n in range(int((high - low) / step) + 1)]


def _round_step(raw: float, whole: bool) -> float:
    """Return the nearest of 1, 2, 2.5, 5 times a power of ten (a whole number, if asked)."""
    options = [base * 10.0**power for power in range(0 if whole else -4, 6) for base in (1.0, 2.0, 2.5, 5.0)]
    return min((o for o in options if not whole or o == int(o)), key=lambda o: abs(o - raw))


def inverse_listing(
    coin: str, now_ms: int, price_at: Callable[[int], float], only_options_of: int | None = None
) -> Iterable[Instrument]:
    """Yield the dated futures and options of a coin; `price_at` tells the index at a moment.

    Options may be confined to one expiry.
    """
    for expiry_ms in live_expiries(now_ms):
        created_ms = listed_at(expiry_ms)
        yield future(coin, expiry_ms, created_ms)
        if only_options_of not in (None, expiry_ms):
            continue
        for strike in strikes(expiry_ms, price_at(created_ms)):
            for is_call in (True, False):
                yield option(coin, expiry_ms, strike, is_call, created_ms)


def linear_listing(
    coin: str, now_ms: int, price_at: Callable[[int], float], only_options_of: int | None = None
) -> Iterable[Instrument]:
    """Yield the USDC options of a coin: the next day, two Fridays and two months, fewer strikes."""
    expiries = live_expiries(now_ms)
    fridays = [e for e in expiries if _tenor(e) is not _TENORS["day"]]
    months = [e for e in fridays if _tenor(e).period == "month"]
    for expiry_ms in sorted({expiries[0], *fridays[:2], *months[:2]}):
        if only_options_of not in (None, expiry_ms):
            continue
        created_ms = listed_at(expiry_ms)
        for strike in strikes(expiry_ms, price_at(created_ms), whole=False, spread=1.4):
            for is_call in (True, False):
                yield linear_option(coin, expiry_ms, strike, is_call, created_ms)


def listed_combos(instruments: Iterable[Instrument], created_ms: int, price: float) -> Iterable[Instrument]:
    """Yield the packages of one coin that others made: each future against the perpetual, four on the first month."""
    futures = [i for i in instruments if i.kind == "future" and not i.linear]
    perpetual = next(i for i in futures if i.perpetual)
    packages: list[tuple[Leg, ...]] = [(Leg(i, 1), Leg(perpetual, -1)) for i in futures if i is not perpetual]
    months = [i for i in instruments if i.option and i.period == "month"]
    if months:
        expiry_ms = min(i.expiry_ms for i in months)
        month = {(i.strike, i.is_call): i for i in months if i.expiry_ms == expiry_ms}
        ranks = sorted({strike for strike, _ in month})
        middle = ranks.index(min(ranks, key=lambda strike: abs(strike - price)))
        low, high = ranks[max(0, middle - 3)], ranks[min(len(ranks) - 1, middle + 3)]
        wanted: list[tuple[tuple[float, bool, int], ...]] = [
            ((ranks[middle], True, 1), (ranks[middle], False, 1)),
            ((ranks[middle], True, 1), (high, True, -1)),
            ((ranks[middle], False, 1), (low, False, -1)),
            ((high, True, 1), (low, False, -1)),
        ]
        packages += [
            tuple(Leg(month[strike, call], ratio) for strike, call, ratio in parts)
            for parts in wanted
            if len({part[:2] for part in parts}) == 2 and all(part[:2] in month for part in parts)
        ]
    for legs in packages:
        yield combo_of(recognise(legs), created_ms)
