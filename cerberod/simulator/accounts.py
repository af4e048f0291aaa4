"""Money: balances, positions, profit and loss, fees and margin of one account, in exact decimals.

Pure: it is told trades and marks and answers figures. Three kinds of contract differ in their arithmetic: *inverse*
futures are sized in dollars and pay in coin (profit = size * (1/entry - 1/exit)), *linear* futures are sized in coin
and pay in the quote currency, *options* are paid for at once and are worth their mark. Margin is a simple, coherent
standard-margin model: futures a fixed share of notional, long options nothing more than their premium, short options
the venue's published standard formula.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from typing import Final

ZERO: Final = Decimal(0)

FUTURE_TAKER_FEE: Final = Decimal("0.0005")
FUTURE_MAKER_FEE: Final = ZERO
OPTION_FEE: Final = Decimal("0.0003")
OPTION_FEE_CAP: Final = Decimal("0.125")

_FUTURE_INITIAL = Decimal("0.02")
_FUTURE_MAINTENANCE = Decimal("0.01")
_EXACT = Decimal("0.00000001")


class Contract(Enum):
    """How a contract's profit is reckoned."""

    INVERSE_FUTURE = auto()
    LINEAR_FUTURE = auto()
    INVERSE_OPTION = auto()


@dataclass(frozen=True)
class Value:
    """What the account needs to know of an instrument's present worth; greeks per unit of size."""

    mark: Decimal
    index: Decimal
    forward: Decimal
    strike: Decimal = ZERO
    is_call: bool = False
    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0


@dataclass
class Position:
    """What is held of one instrument: negative size is short."""

    name: str
    contract: Contract
    currency: str
    coin: str
    size: Decimal = ZERO
    average: Decimal = ZERO
    average_usd: Decimal = ZERO
    realised: Decimal = ZERO

    def trade(self, signed: Decimal, price: Decimal, index: Decimal) -> Decimal:
        """Add a trade; return the profit it realised, in the settlement currency, before fees."""
        profit = ZERO
        same_way = self.size == 0 or (self.size > 0) == (signed > 0)
        if same_way:
            self._extend(signed, price, index)
        else:
            closed = min(abs(signed), abs(self.size)) * (1 if self.size > 0 else -1)
            profit = gain(self.contract, closed, self.average, price)
            self.size += signed
            if self.size == 0:
                self.average = self.average_usd = ZERO
            elif (self.size > 0) == (signed > 0):  # went through zero: the rest is a new position
                self.average, self.average_usd = price, price * index
        self.realised += profit
        return profit

    def _extend(self, signed: Decimal, price: Decimal, index: Decimal) -> None:
        total = self.size + signed
        if self.size == 0:
            self.average, self.average_usd = price, price * index
        else:
            if self.contract is Contract.INVERSE_FUTURE:  # coins add up, so the mean is harmonic
                self.average = total / (self.size / self.average + signed / price)
            else:
                self.average = (self.average * self.size + price * signed) / total
            self.average_usd = (self.average_usd * self.size + price * index * signed) / total
        self.size = total

    def floating(self, mark: Decimal) -> Decimal:
        """Return the profit not realised at a mark price."""
        return gain(self.contract, self.size, self.average, mark) if self.size else ZERO

    def coin_size(self, mark: Decimal) -> Decimal:
        """Return the size in coins."""
        return self.size / mark if self.contract is Contract.INVERSE_FUTURE else self.size


def gain(contract: Contract, size: Decimal, entry: Decimal, exit_price: Decimal) -> Decimal:
    """Return the profit of a signed size between two prices, in the settlement currency."""
    if contract is Contract.INVERSE_FUTURE:
        return size * (1 / entry - 1 / exit_price)
    return size * (exit_price - entry)


def fee(contract: Contract, amount: Decimal, price: Decimal, taker: bool) -> Decimal:
    """Return the fee of a trade in the settlement currency; an option's never exceeds 12.5 % of its premium."""
    if contract is Contract.INVERSE_OPTION:
        return min(OPTION_FEE, OPTION_FEE_CAP * price) * amount
    rate = FUTURE_TAKER_FEE if taker else FUTURE_MAKER_FEE
    notional = amount / price if contract is Contract.INVERSE_FUTURE else amount * price
    return (rate * notional).quantize(_EXACT)


def initial_margin(contract: Contract, size: Decimal, value: Value) -> Decimal:
    """Return what must be free to hold a signed size."""
    if contract is Contract.INVERSE_OPTION:
        if size >= 0:
            return ZERO
        out = value.strike - value.forward if value.is_call else value.forward - value.strike
        share = max(Decimal("0.15") - max(out, ZERO) / value.forward, Decimal("0.1"))
        return -size * (share + value.mark)
    return _FUTURE_INITIAL * _notional(contract, size, value)


def maintenance_margin(contract: Contract, size: Decimal, value: Value) -> Decimal:
    """Return what must be left to keep a signed size."""
    if contract is Contract.INVERSE_OPTION:
        if size >= 0:
            return ZERO
        return -size * (max(Decimal("0.075"), Decimal("0.075") * value.mark) + value.mark)
    return _FUTURE_MAINTENANCE * _notional(contract, size, value)


def _notional(contract: Contract, size: Decimal, value: Value) -> Decimal:
    return abs(size) / value.mark if contract is Contract.INVERSE_FUTURE else abs(size) * value.mark


@dataclass(frozen=True)
class OpenOrder:
    """An open order as margin sees it."""

    contract: Contract
    currency: str
    signed: Decimal
    price: Decimal
    value: Value
    held: Decimal  # the position it would add to or reduce


def order_margin(order: OpenOrder) -> Decimal:
    """Return what an open order ties up: for what it adds beyond closing the position, never for what it closes."""
    adds = abs(order.signed)
    if order.held and (order.held > 0) != (order.signed > 0):
        adds = max(ZERO, adds - abs(order.held))
    direction = 1 if order.signed > 0 else -1
    if order.contract is Contract.INVERSE_OPTION and direction > 0:
        return adds * (order.price + min(OPTION_FEE, OPTION_FEE_CAP * order.price))
    return initial_margin(order.contract, direction * adds, order.value)


@dataclass
class Totals:
    """One currency's sums over positions and orders."""

    futures_pl: Decimal = ZERO
    options_pl: Decimal = ZERO
    options_value: Decimal = ZERO
    futures_rpl: Decimal = ZERO
    options_rpl: Decimal = ZERO
    initial: Decimal = ZERO
    maintenance: Decimal = ZERO
    open_orders: Decimal = ZERO
    futures_delta: dict[str, float] = field(default_factory=dict)
    options_delta: dict[str, float] = field(default_factory=dict)
    net_options_delta: dict[str, float] = field(default_factory=dict)
    options_gamma: dict[str, float] = field(default_factory=dict)
    options_vega: dict[str, float] = field(default_factory=dict)
    options_theta: dict[str, float] = field(default_factory=dict)


class Account:
    """One account's balances and positions."""

    def __init__(self, name: str, balances: dict[str, Decimal]) -> None:
        self.name = name
        self.balances = dict(balances)
        self.positions: dict[str, Position] = {}
        self.fees_paid: dict[str, Decimal] = {}

    def position(self, name: str, contract: Contract, currency: str, coin: str) -> Position:
        """Return the position in an instrument, made empty if there is none."""
        return self.positions.setdefault(name, Position(name, contract, currency, coin))

    def size(self, name: str) -> Decimal:
        """Return the signed size held of an instrument."""
        held = self.positions.get(name)
        return held.size if held else ZERO

    def trade(
        self, position: Position, signed: Decimal, price: Decimal, index: Decimal, taker: bool
    ) -> tuple[Decimal, Decimal]:
        """Book a trade; return (fee, profit realised), both in the settlement currency."""
        charged = fee(position.contract, abs(signed), price, taker)
        profit = position.trade(signed, price, index)
        cash = -signed * price if position.contract is Contract.INVERSE_OPTION else profit
        currency = position.currency
        self.balances[currency] = self.balances.get(currency, ZERO) + cash - charged
        self.fees_paid[currency] = self.fees_paid.get(currency, ZERO) + charged
        return charged, profit

    def settle(self, name: str, delivery: Decimal) -> None:
        """End an expired position at its delivery price (in the instrument's price unit)."""
        position = self.positions.pop(name, None)
        if position is None or position.size == 0:
            return
        if position.contract is Contract.INVERSE_OPTION:
            cash = position.size * delivery
        else:
            cash = gain(position.contract, position.size, position.average, delivery)
        self.balances[position.currency] = self.balances.get(position.currency, ZERO) + cash

    def totals(self, currency: str, values: dict[str, Value], orders: Iterable[OpenOrder]) -> Totals:
        """Sum one currency's positions (valued by instrument name) and open orders."""
        sums = Totals()
        for position in self.positions.values():
            if position.currency != currency:
                continue
            if position.contract is Contract.INVERSE_OPTION:
                sums.options_rpl += position.realised
            else:
                sums.futures_rpl += position.realised
            if position.size:
                _add_position(sums, position, values[position.name])
        for order in orders:
            if order.currency == currency:
                sums.open_orders += order_margin(order)
        return sums

    def equity(self, currency: str, sums: Totals) -> Decimal:
        """Return balance plus the worth of all positions."""
        return self.balances.get(currency, ZERO) + sums.futures_pl + sums.options_value

    def available(self, currency: str, sums: Totals) -> Decimal:
        """Return the funds new orders may use: long options are worth something, but are no collateral."""
        margin_balance = self.balances.get(currency, ZERO) + sums.futures_pl
        return margin_balance - sums.initial - sums.open_orders


def _add_position(sums: Totals, position: Position, value: Value) -> None:
    index_name = f"{position.coin.lower()}_{'usdc' if position.contract is Contract.LINEAR_FUTURE else 'usd'}"
    sums.initial += initial_margin(position.contract, position.size, value)
    sums.maintenance += maintenance_margin(position.contract, position.size, value)
    size = float(position.size)
    if position.contract is Contract.INVERSE_OPTION:
        sums.options_value += position.size * value.mark
        sums.options_pl += position.floating(value.mark)
        _bump(sums.options_delta, index_name, size * value.delta)
        _bump(sums.net_options_delta, index_name, size * (value.delta - float(value.mark)))
        _bump(sums.options_gamma, index_name, size * value.gamma)
        _bump(sums.options_vega, index_name, size * value.vega)
        _bump(sums.options_theta, index_name, size * value.theta)
    else:
        sums.futures_pl += position.floating(value.mark)
        _bump(sums.futures_delta, index_name, float(position.coin_size(value.mark)))


def _bump(sums: dict[str, float], key: str, amount: float) -> None:
    sums[key] = sums.get(key, 0.0) + amount
