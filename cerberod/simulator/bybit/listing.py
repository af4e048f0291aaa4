"""Which instruments the simulated Bybit has: contract figures of each coin, and the lists made of them.

The figures are Bybit's of 2025 for the coins the market model knows. The long tail of USDT perpetuals is invented
(`SIM001USDT` …): it makes the list longer than one page, as the real one is. Pure functions of the expiries.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from typing import Final

from cerberod.simulator.bybit import calendar
from cerberod.simulator.bybit.instruments import LISTED_MS, Instrument, strike_text
from cerberod.simulator.market import ASSETS, DAY_MS
from cerberod.simulator.matching import ZERO

TAIL: Final = 505
_FUNDING_MIN: Final = {1: 60, 2: 240}
"""Of the first coins of the tail; all others pay every 8 hours."""

D = Decimal


@dataclass(frozen=True)
class _Rules:
    """Figures of one coin: ticks and steps of each product."""

    tick: Decimal
    step: Decimal
    largest: Decimal
    spot_tick: Decimal
    spot_step: Decimal
    spot_largest: Decimal
    inverse_tick: Decimal
    option_tick: Decimal
    option_step: Decimal


_RULES: Final = {
    "BTC": _Rules(D("0.10"), D("0.001"), D(1190), D("0.01"), D("0.000001"), D(83), D("0.10"), D(5), D("0.01")),
    "ETH": _Rules(D("0.01"), D("0.01"), D(7240), D("0.01"), D("0.00001"), D(1600), D("0.01"), D("0.1"), D("0.1")),
    "SOL": _Rules(D("0.010"), D("0.1"), D(79_370), D("0.01"), D("0.001"), D(18_000), D("0.001"), D("0.01"), D(1)),
    "XRP": _Rules(
        D("0.0001"), D("0.1"), D(3_000_000), D("0.0001"), D("0.01"), D(2_000_000), D("0.0001"), D("0.001"), D(1)
    ),
}
_INVERSE_COINS = ("BTC", "ETH", "SOL", "XRP")
_DATED_COINS = ("BTC", "ETH", "SOL")
OPTION_COINS: Final = ("BTC", "ETH", "SOL")


def _ids(category: str, position: int) -> int:
    return {"spot": 0, "linear": 10_000, "inverse": 20_000, "option": 30_000}[category] + position + 1


def spots() -> list[Instrument]:
    """Return the spot pairs."""
    pairs = [(coin, quote) for coin in ASSETS for quote in ("USDT", "USDC")]
    return [
        Instrument(
            "spot",
            coin + quote,
            "spot",
            coin,
            coin,
            quote,
            quote,
            tick=_RULES[coin].spot_tick,
            step=_RULES[coin].spot_step,
            minimum=_RULES[coin].spot_step,
            largest=_RULES[coin].spot_largest,
            largest_market=_RULES[coin].spot_largest / 2,
            least_value=D(5),
            symbol_id=_ids("spot", position),
        )
        for position, (coin, quote) in enumerate(pairs)
    ]


def _contract(
    coin: str, symbol: str, position: int, *, quote: str, settle: str, delivery_ms: int = 0, inverse: bool = False
) -> Instrument:
    rules = _RULES[coin]
    category = "inverse" if inverse else "linear"
    return Instrument(
        category,
        symbol,
        "future" if delivery_ms else "perpetual",
        coin,
        coin,
        quote,
        settle,
        tick=rules.inverse_tick if inverse else rules.tick,
        step=D(1) if inverse else rules.step,
        minimum=D(1) if inverse else rules.step,
        largest=D(25_000_000) if inverse else rules.largest,
        largest_market=D(5_000_000) if inverse else rules.largest / 10,
        least_value=ZERO if inverse else D(5),
        symbol_id=_ids(category, position),
        launch_ms=calendar.listed_at(delivery_ms) if delivery_ms else LISTED_MS,
        delivery_ms=delivery_ms,
        leverage=(100 if coin in ("BTC", "ETH") else 50) if not delivery_ms else 25,
    )


def linears(expiries: calendar.Calendar) -> list[Instrument]:
    """Return perpetuals and dated futures in USDT and USDC, and the tail."""
    perpetuals = [_contract(coin, coin + "USDT", n, quote="USDT", settle="USDT") for n, coin in enumerate(ASSETS)]
    perpetuals += [_contract(coin, coin + "PERP", 10 + n, quote="USDC", settle="USDC") for n, coin in enumerate(ASSETS)]
    tail = [_tail(number) for number in range(1, TAIL + 1)]
    return [*perpetuals, *dated_linears(expiries), *tail, _tail(TAIL + 1, "PreLaunch")]


def dated_linears(expiries: calendar.Calendar) -> list[Instrument]:
    """Return the dated futures in USDT and USDC."""
    found: list[Instrument] = []
    for coin in _DATED_COINS:
        ends = expiries.futures if coin != "SOL" else expiries.futures[:4]
        for end in ends:
            symbol = f"{coin}USDT-{calendar.code(end)}"
            found.append(_contract(coin, symbol, 100 + len(found), quote="USDT", settle="USDT", delivery_ms=end))
        for end in expiries.quarters[:2] if coin != "SOL" else []:
            symbol = f"{coin}-{calendar.code(end)}"
            found.append(_contract(coin, symbol, 100 + len(found), quote="USD", settle="USDC", delivery_ms=end))
    return found


@cache
def _tail(number: int, status: str = "Trading") -> Instrument:
    """Invent a coin: its price is XRP's or SOL's on another scale, with a premium that swings wider."""
    asset = ("XRP", "SOL")[number % 2]
    coin = f"SIM{number:03d}"
    return Instrument(
        "linear",
        coin + "USDT",
        "perpetual",
        asset,
        coin,
        "USDT",
        "USDT",
        tick=D("0.0001"),
        step=D(1),
        minimum=D(1),
        largest=D(1_600_000),
        largest_market=D(320_000),
        least_value=D(5),
        symbol_id=_ids("linear", 1_000 + number),
        launch_ms=LISTED_MS + number * DAY_MS,
        leverage=25,
        funding_min=_FUNDING_MIN.get(number, 480),
        funding_cap=D("0.02"),
        band=D("0.1"),
        scale=(0.1 + number % 37 / 10.0) if asset == "XRP" else (0.01 + number % 41 / 100.0),
        restless=4.0,
        status=status,
    )


def inverses(expiries: calendar.Calendar) -> list[Instrument]:
    """Return contracts sized in dollars and paid in coin."""
    found = [
        _contract(coin, coin + "USD", n, quote="USD", settle=coin, inverse=True)
        for n, coin in enumerate(_INVERSE_COINS)
    ]
    for coin in ("BTC", "ETH"):
        for end in expiries.quarters[:2]:
            symbol = f"{coin}USD{calendar.quarter_code(end)}"
            found.append(
                _contract(coin, symbol, 100 + len(found), quote="USD", settle=coin, delivery_ms=end, inverse=True)
            )
    return found


@lru_cache(maxsize=128)
def options(coin: str, quote: str, expiry_ms: int, price: float) -> tuple[Instrument, ...]:
    """Return the options of one expiry; `price` is the index when it was listed.

    Every environment lists the same: they are made once.
    """
    rules = _RULES[coin]
    found: list[Instrument] = []
    for strike in calendar.strikes(expiry_ms, price):
        for is_call in (True, False):
            side = "C" if is_call else "P"
            tail = "" if quote == "USDC" else f"-{quote}"
            symbol = f"{coin}-{calendar.code(expiry_ms)}-{strike_text(strike)}-{side}{tail}"
            found.append(
                Instrument(
                    "option",
                    symbol,
                    "option",
                    coin,
                    coin,
                    quote,
                    quote,
                    tick=rules.option_tick,
                    step=rules.option_step,
                    minimum=rules.option_step,
                    largest=rules.option_step * 50_000,
                    largest_market=rules.option_step * 50_000,
                    least_value=ZERO,
                    symbol_id=_ids("option", int(expiry_ms // DAY_MS % 10_000) * 100 + len(found)),
                    launch_ms=calendar.listed_at(expiry_ms),
                    delivery_ms=expiry_ms,
                    strike=strike,
                    is_call=is_call,
                )
            )
    return tuple(found)
