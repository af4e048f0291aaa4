"""Money of one unified account: balances, positions, fees and cross margin in dollars, in exact decimals.

Pure: it is told trades and marks. Margin is the venue's regular (cross) mode in its simplest coherent form: a position
or order ties up its value over its leverage, half a percent of value is maintenance; a long option ties up nothing
beyond its premium, a short one a share of its underlying. Every coin counts as collateral in full, which the real
venue grants only to some.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.orders import Protection
from cerberod.simulator.matching import ZERO

START_BALANCES: Final = {
    "USDT": Decimal(200_000),
    "USDC": Decimal(100_000),
    "BTC": Decimal(2),
    "ETH": Decimal(30),
}
DEFAULT_LEVERAGE: Final = Decimal(10)
FEES: Final = {  # taker, maker
    "spot": (Decimal("0.001"), Decimal("0.001")),
    "linear": (Decimal("0.00055"), Decimal("0.0002")),
    "inverse": (Decimal("0.00055"), Decimal("0.0002")),
    "option": (Decimal("0.0003"), Decimal("0.0002")),
}
MAINTENANCE: Final = Decimal("0.005")
_OPTION_FEE_CAP = Decimal("0.07")
_SHORT_OPTION = Decimal("0.15")
_EXACT = Decimal("0.00000001")


@dataclass
class Holding:
    """What is held of one contract on one index: 0 one-way, 1 the long and 2 the short side of hedge mode."""

    instrument: Instrument
    idx: int
    size: Decimal = ZERO  # negative is short
    average: Decimal = ZERO
    realised: Decimal = ZERO  # of all time, fees included
    realised_now: Decimal = ZERO  # of the present position
    open_fee: Decimal = ZERO  # not yet attributed to a close
    created_ms: int = 0
    updated_ms: int = 0
    opened_ms: int = 0
    seq: int = 0
    protection: Protection = field(default_factory=Protection)
    trailing: Decimal = ZERO
    active_price: Decimal | None = None
    extreme: Decimal | None = None
    """The best price since a trailing stop became active."""

    def trade(self, signed: Decimal, price: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        """Add a trade; return (profit before fees, size closed, entry price of what was closed)."""
        if self.size == 0 or (self.size > 0) == (signed > 0):
            total = self.size + signed
            if self.instrument.inverse and self.size:
                self.average = total / (self.size / self.average + signed / price)
            else:
                self.average = (self.average * self.size + price * signed) / total
            self.size = total
            return ZERO, ZERO, ZERO
        closed = min(abs(signed), abs(self.size))
        entry = self.average
        profit = gain(self.instrument, closed if self.size > 0 else -closed, entry, price)
        before = self.size
        self.size += signed
        if self.size == 0:
            self.average = ZERO
        elif (self.size > 0) != (before > 0):
            self.average = price
        return profit, closed, entry

    def floating(self, mark: Decimal) -> Decimal:
        """Return the profit not realised at a mark price, in the settlement coin."""
        return gain(self.instrument, self.size, self.average, mark) if self.size else ZERO

    def worth(self, mark: Decimal) -> Decimal:
        """Return the position's value at a mark price."""
        return self.instrument.value_of(abs(self.size), mark)


def gain(instrument: Instrument, size: Decimal, entry: Decimal, exit_price: Decimal) -> Decimal:
    """Return the profit of a signed size between two prices, in the settlement coin."""
    if instrument.inverse:
        return size * (1 / entry - 1 / exit_price)
    return size * (exit_price - entry)


def fee_rate(instrument: Instrument, taker: bool) -> Decimal:
    """Return the fee's rate."""
    return FEES[instrument.category][0 if taker else 1]


def fee(instrument: Instrument, qty: Decimal, price: Decimal, index: Decimal, taker: bool) -> Decimal:
    """Return the fee of a trade in its fee coin, for a spot buy in quote coin as for a sale."""
    rate = fee_rate(instrument, taker)
    if instrument.option:
        return (min(rate * index, _OPTION_FEE_CAP * price) * qty).quantize(_EXACT)
    return (rate * instrument.value_of(qty, price)).quantize(_EXACT)


def initial_margin(instrument: Instrument, size: Decimal, price: Decimal, index: Decimal, leverage: Decimal) -> Decimal:
    """Return what a signed size ties up, in the settlement coin."""
    if instrument.option:
        return ZERO if size >= 0 else -size * (_SHORT_OPTION * index + price)
    return instrument.value_of(abs(size), price) / leverage


class Account:
    """One account's balances, positions and settings."""

    def __init__(self) -> None:
        self.balances = dict(START_BALANCES)
        self.holdings: dict[tuple[str, str, int], Holding] = {}
        self.leverages: dict[tuple[str, str], Decimal] = {}
        self.hedged: set[str] = set()
        """Symbols (linear) in hedge mode."""
        self.realised: dict[str, Decimal] = {}
        """Profit realised in each coin, of all time."""

    def balance(self, coin: str) -> Decimal:
        """Return a coin's wallet balance."""
        return self.balances.get(coin, ZERO)

    def pay(self, coin: str, amount: Decimal) -> Decimal:
        """Change a balance; return the new one."""
        self.balances[coin] = self.balance(coin) + amount
        return self.balances[coin]

    def holding(self, instrument: Instrument, idx: int) -> Holding:
        """Return a position, made flat if there is none."""
        key = (instrument.category, instrument.symbol, idx)
        return self.holdings.setdefault(key, Holding(instrument, idx))

    def size(self, instrument: Instrument, idx: int) -> Decimal:
        """Return the signed size held."""
        held = self.holdings.get((instrument.category, instrument.symbol, idx))
        return held.size if held else ZERO

    def leverage(self, instrument: Instrument) -> Decimal:
        """Return the leverage set for a contract."""
        key = (instrument.category, instrument.symbol)
        return self.leverages.get(key, min(DEFAULT_LEVERAGE, Decimal(instrument.leverage)))

    def is_hedged(self, instrument: Instrument) -> bool:
        """Tell whether a contract is in hedge mode."""
        return instrument.category == "linear" and instrument.symbol in self.hedged
