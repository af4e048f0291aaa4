"""Money: balances, positions, profit and loss, fees and margin of one account, in exact decimals.

Pure: it is told trades and marks and answers figures. Kinds of contract differ in their arithmetic: *inverse* futures
are sized in dollars and pay in coin (profit = size * (1/entry - 1/exit)), *linear* futures are sized in coin and pay
in the quote currency, *options* are paid for at once (in coin, linear ones in the quote currency) and are worth their
mark; *spot* is an exchange of two balances and no position. What futures earn stays outside the balance until the
daily settlement moves it there: equity is balance, session profit (realised and not) and the worth of options. Margin
is a simple, coherent standard-margin model: futures a fixed share of notional, long options nothing more than their
premium, short options the venue's published standard formula.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from typing import Final, assert_never

ZERO: Final = Decimal(0)

FUTURE_TAKER_FEE: Final = Decimal("0.0005")
FUTURE_MAKER_FEE: Final = ZERO
OPTION_FEE: Final = Decimal("0.0003")
LINEAR_OPTION_TAKER_FEE: Final = Decimal("0.0005")
LINEAR_OPTION_MAKER_FEE: Final = Decimal("0.0001")
DELIVERY_FEE: Final = Decimal("0.00015")
OPTION_FEE_CAP: Final = Decimal("0.125")

_FUTURE_INITIAL = Decimal("0.02")
_FUTURE_MAINTENANCE = Decimal("0.01")
_EXACT = Decimal("0.00000001")


class Contract(Enum):
    """How a contract's profit is reckoned."""

    INVERSE_FUTURE = auto()
    LINEAR_FUTURE = auto()
    INVERSE_OPTION = auto()
    LINEAR_OPTION = auto()
    SPOT = auto()

    @property
    def option(self) -> bool:
        return self in (Contract.INVERSE_OPTION, Contract.LINEAR_OPTION)

    @property
    def linear(self) -> bool:
        return self in (Contract.LINEAR_FUTURE, Contract.LINEAR_OPTION)


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
    """What is held of one instrument: negative size is short.

    `average` is the price of entry; `basis` is the price since which nothing was settled yet.
    """

    name: str
    contract: Contract
    currency: str
    coin: str
    size: Decimal = ZERO
    average: Decimal = ZERO
    average_usd: Decimal = ZERO
    basis: Decimal = ZERO
    realised: Decimal = ZERO
    """Since the last settlement."""
    funding: Decimal = ZERO
    """Since the last settlement, and part of what was realised."""

    def trade(self, signed: Decimal, price: Decimal, index: Decimal) -> Decimal:
        """Add a trade; return the profit it realised, in the settlement currency, before fees."""
        profit = ZERO
        worth = price if self.contract.linear else price * index
        if self.size == 0 or (self.size > 0) == (signed > 0):
            total = self.size + signed
            self.average = self._mean(self.average, signed, price)
            self.basis = self._mean(self.basis, signed, price)
            self.average_usd = (self.average_usd * self.size + worth * signed) / total
            self.size = total
        else:
            closed = min(abs(signed), abs(self.size)) * (1 if self.size > 0 else -1)
            profit = gain(self.contract, closed, self.basis, price)
            self.size += signed
            if self.size == 0:
                self.average = self.basis = self.average_usd = ZERO
            elif (self.size > 0) == (signed > 0):  # went through zero: the rest is a new position
                self.average, self.basis, self.average_usd = price, price, worth
        self.realised += profit
        return profit

    def _mean(self, before: Decimal, signed: Decimal, price: Decimal) -> Decimal:
        if self.size == 0:
            return price
        total = self.size + signed
        if self.contract is Contract.INVERSE_FUTURE:  # coins add up, so the mean is harmonic
            return total / (self.size / before + signed / price)
        return (before * self.size + price * signed) / total

    def floating(self, mark: Decimal) -> Decimal:
        """Return the profit neither realised nor settled, at a mark price."""
        return gain(self.contract, self.size, self.basis, mark) if self.size else ZERO

    def total(self, mark: Decimal) -> Decimal:
        """Return the profit since entry of what is held, settled or not."""
        return gain(self.contract, self.size, self.average, mark) if self.size else ZERO

    def coin_size(self, mark: Decimal) -> Decimal:
        """Return the size in coins."""
        return self.size / mark if self.contract is Contract.INVERSE_FUTURE else self.size


def gain(contract: Contract, size: Decimal, entry: Decimal, exit_price: Decimal) -> Decimal:
    """Return the profit of a signed size between two prices, in the settlement currency."""
    if contract is Contract.INVERSE_FUTURE:
        return size * (1 / entry - 1 / exit_price)
    return size * (exit_price - entry)


def fee(contract: Contract, amount: Decimal, price: Decimal, taker: bool, index: Decimal = ZERO) -> Decimal:
    """Return the fee of a trade in the settlement currency; an option's never exceeds 12.5 % of its premium."""
    match contract:
        case Contract.INVERSE_OPTION:
            return min(OPTION_FEE, OPTION_FEE_CAP * price) * amount
        case Contract.LINEAR_OPTION:
            rate = LINEAR_OPTION_TAKER_FEE if taker else LINEAR_OPTION_MAKER_FEE
            return (min(rate * index, OPTION_FEE_CAP * price) * amount).quantize(_EXACT)
        case Contract.SPOT:
            return ZERO
        case Contract.INVERSE_FUTURE | Contract.LINEAR_FUTURE:
            rate = FUTURE_TAKER_FEE if taker else FUTURE_MAKER_FEE
            notional = amount / price if contract is Contract.INVERSE_FUTURE else amount * price
            return (rate * notional).quantize(_EXACT)
        case _:
            assert_never(contract)


def delivery_fee(contract: Contract, amount: Decimal, value: Decimal, index: Decimal) -> Decimal:
    """Return the fee of an option's delivery: 0.015 % of the underlying, never more than 12.5 % of what it pays."""
    if not contract.option:
        return ZERO
    underlying = index if contract is Contract.LINEAR_OPTION else Decimal(1)
    return (min(DELIVERY_FEE * underlying, OPTION_FEE_CAP * value) * amount).quantize(_EXACT)


def initial_margin(contract: Contract, size: Decimal, value: Value) -> Decimal:
    """Return what must be free to hold a signed size."""
    if contract.option:
        if size >= 0:
            return ZERO
        out = value.strike - value.forward if value.is_call else value.forward - value.strike
        share = max(Decimal("0.15") - max(out, ZERO) / value.forward, Decimal("0.1"))
        return -size * (share * _underlying(contract, value) + value.mark)
    return _FUTURE_INITIAL * _notional(contract, size, value)


def maintenance_margin(contract: Contract, size: Decimal, value: Value) -> Decimal:
    """Return what must be left to keep a signed size."""
    if contract.option:
        if size >= 0:
            return ZERO
        return -size * (Decimal("0.075") * _underlying(contract, value) + value.mark)
    return _FUTURE_MAINTENANCE * _notional(contract, size, value)


def _underlying(contract: Contract, value: Value) -> Decimal:
    """Return one unit of the underlying in the option's premium currency."""
    return value.forward if contract is Contract.LINEAR_OPTION else Decimal(1)


def _notional(contract: Contract, size: Decimal, value: Value) -> Decimal:
    return abs(size) / value.mark if contract is Contract.INVERSE_FUTURE else abs(size) * value.mark


@dataclass(frozen=True)
class OpenOrder:
    """An open order as margin sees it."""

    contract: Contract
    currency: str
    """What it ties up; of a spot order, what it would give away."""
    signed: Decimal
    price: Decimal
    value: Value
    held: Decimal  # the position it would add to or reduce


def order_margin(order: OpenOrder) -> Decimal:
    """Return what an open order ties up: for what it adds beyond closing the position, never for what it closes."""
    adds = abs(order.signed)
    if order.contract is Contract.SPOT:
        return adds * order.price if order.signed > 0 else adds
    if order.held and (order.held > 0) != (order.signed > 0):
        adds = max(ZERO, adds - abs(order.held))
    direction = 1 if order.signed > 0 else -1
    if order.contract.option and direction > 0:
        return adds * order.price + fee(order.contract, adds, order.price, True, order.value.index)
    return initial_margin(order.contract, direction * adds, order.value)


@dataclass
class Totals:
    """One currency's sums over positions and orders."""

    futures_pl: Decimal = ZERO
    futures_upl: Decimal = ZERO
    """Since the last settlement; `futures_pl` counts from entry."""
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


@dataclass(frozen=True)
class Settled:
    """What a settlement or a delivery did to one position."""

    position: Position
    size: Decimal
    price: Decimal
    profit: Decimal
    """Of this event."""
    session: Decimal
    """Realised and not, since the settlement before."""
    cash: Decimal
    """What the balance gained, fee paid."""
    fee: Decimal = ZERO
    funding: Decimal = ZERO


class Account:
    """One account's balances and positions."""

    def __init__(self, name: str, balances: dict[str, Decimal]) -> None:
        self.name = name
        self.balances = dict(balances)
        self.positions: dict[str, Position] = {}
        self.fees_paid: dict[str, Decimal] = {}
        self.session_rpl: dict[str, Decimal] = {}

    def position(self, name: str, contract: Contract, currency: str, coin: str) -> Position:
        """Return the position in an instrument, made empty if there is none."""
        return self.positions.setdefault(name, Position(name, contract, currency, coin))

    def size(self, name: str) -> Decimal:
        """Return the signed size held of an instrument."""
        held = self.positions.get(name)
        return held.size if held else ZERO

    def trade(
        self,
        position: Position,
        signed: Decimal,
        price: Decimal,
        index: Decimal,
        taker: bool,
        charged: Decimal | None = None,
    ) -> tuple[Decimal, Decimal]:
        """Book a trade; return (fee, profit realised), both in the settlement currency. A fee may be given."""
        if charged is None:
            charged = fee(position.contract, abs(signed), price, taker, index)
        profit = position.trade(signed, price, index)
        currency = position.currency
        if position.contract.option:
            self._pay(currency, -signed * price - charged)
        else:
            self._pay(currency, -charged)
            self._earn(currency, profit)
        self.fees_paid[currency] = self.fees_paid.get(currency, ZERO) + charged
        return charged, profit

    def swap(self, base: str, quote: str, signed: Decimal, price: Decimal) -> None:
        """Book a spot trade."""
        self._pay(base, signed)
        self._pay(quote, -signed * price)

    def fund(self, position: Position, amount: Decimal) -> None:
        """Book funding that a perpetual paid (or cost, if negative)."""
        position.funding += amount
        position.realised += amount
        self._earn(position.currency, amount)

    def settle(self, position: Position, mark: Decimal) -> Settled:
        """Move a future's session profit into the balance; from now on it counts from `mark`."""
        floating, realised, funding = position.floating(mark), position.realised, position.funding
        self._earn(position.currency, -realised)
        self._pay(position.currency, floating + realised)
        position.realised = position.funding = ZERO
        if position.size:
            position.basis = mark
        session = floating + realised
        return Settled(position, position.size, mark, floating, session, session, funding=funding)

    def deliver(self, name: str, price: Decimal, index: Decimal, free: bool) -> Settled | None:
        """End an expired position at its delivery price (in the instrument's price unit); None if nothing was held."""
        position = self.positions.pop(name, None)
        if position is None:
            return None
        size, realised = position.size, position.realised
        if size == 0 and realised == 0:
            return None
        profit = position.floating(price)
        charged = ZERO if free else delivery_fee(position.contract, abs(size), price, index)
        if position.contract.option:
            cash = size * price - charged
        else:
            self._earn(position.currency, -realised)
            cash = profit + realised - charged
        self._pay(position.currency, cash)
        self.fees_paid[position.currency] = self.fees_paid.get(position.currency, ZERO) + charged
        return Settled(position, size, price, profit, profit + realised, cash, charged, position.funding)

    def _pay(self, currency: str, amount: Decimal) -> None:
        self.balances[currency] = self.balances.get(currency, ZERO) + amount

    def _earn(self, currency: str, amount: Decimal) -> None:
        self.session_rpl[currency] = self.session_rpl.get(currency, ZERO) + amount

    def totals(self, currency: str, values: dict[str, Value], orders: Iterable[OpenOrder]) -> Totals:
        """Sum one currency's positions (valued by instrument name) and open orders."""
        sums = Totals()
        for position in self.positions.values():
            if position.currency != currency:
                continue
            if position.contract.option:
                sums.options_rpl += position.realised
            else:
                sums.futures_rpl += position.realised
            if position.size:
                _add_position(sums, position, values[position.name])
        for order in orders:
            if order.currency == currency:
                sums.open_orders += order_margin(order)
        return sums

    def margin_balance(self, currency: str, sums: Totals) -> Decimal:
        """Return the balance with the futures' session profit: what margin is measured against."""
        return self.balances.get(currency, ZERO) + self.session_rpl.get(currency, ZERO) + sums.futures_upl

    def equity(self, currency: str, sums: Totals) -> Decimal:
        """Return balance plus the worth of all positions."""
        return self.margin_balance(currency, sums) + sums.options_value

    def available(self, currency: str, sums: Totals) -> Decimal:
        """Return the funds new orders may use: long options are worth something, but are no collateral."""
        return self.margin_balance(currency, sums) - sums.initial - sums.open_orders


def _add_position(sums: Totals, position: Position, value: Value) -> None:
    index_name = f"{position.coin.lower()}_{'usdc' if position.contract.linear else 'usd'}"
    sums.initial += initial_margin(position.contract, position.size, value)
    sums.maintenance += maintenance_margin(position.contract, position.size, value)
    size = float(position.size)
    if position.contract.option:
        premium = float(value.mark) if position.contract is Contract.INVERSE_OPTION else 0.0
        sums.options_value += position.size * value.mark
        sums.options_pl += position.total(value.mark)
        _bump(sums.options_delta, index_name, size * value.delta)
        _bump(sums.net_options_delta, index_name, size * (value.delta - premium))
        _bump(sums.options_gamma, index_name, size * value.gamma)
        _bump(sums.options_vega, index_name, size * value.vega)
        _bump(sums.options_theta, index_name, size * value.theta)
    else:
        sums.futures_pl += position.total(value.mark)
        sums.futures_upl += position.floating(value.mark)
        _bump(sums.futures_delta, index_name, float(position.coin_size(value.mark)))


def _bump(sums: dict[str, float], key: str, amount: float) -> None:
    sums[key] = sums.get(key, 0.0) + amount
