"""The books of account of one environment: fills become positions, fees, cash and lines of the transaction log.

It knows marks (to value positions) but no order book. Combos have no position: a fill of one is a trade of each leg,
told together with the combo's own trade.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Final

import numpy as np

from cerberod.simulator.accounts import ZERO, Account, OpenOrder, Position, Settled, Totals, Value
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import Numbering, Order, UserTrade
from cerberod.simulator.deribit.packages import leg_fees, leg_prices, step_of
from cerberod.simulator.deribit.prints import Tape, UserPrint
from cerberod.simulator.deribit.quotes import Mark, Quotes, implied_pct
from cerberod.simulator.deribit.terms import contract_of, shown_mark, value_of
from cerberod.simulator.market import HOUR_MS
from cerberod.simulator.matching import Fill, Side

START_BALANCES: Final = {
    "BTC": Decimal(10),
    "ETH": Decimal(200),
    "USDC": Decimal(250_000),
    "USDT": Decimal(0),
    "EURR": Decimal(0),
}
CURRENCIES: Final = tuple(START_BALANCES)

_KEPT_TRADES = 10_000
_KEPT_LINES = 20_000
_FUNDING_STEP_MS = 300_000
_FINE = Decimal("1e-12")


@dataclass(frozen=True)
class Line:
    """One line of the transaction log, or one settlement as the settlement history tells it."""

    number: int
    time_ms: int
    currency: str
    kind: str
    instrument: Instrument
    fields: Mapping[str, object]


class Ledger:
    """One account's books."""

    def __init__(self, quotes: Quotes, tape: Tape, name: str, user_id: int, numbering: Numbering) -> None:
        self._quotes = quotes
        self._tape = tape
        self._user_id = user_id
        self._numbering = numbering
        self.account = Account(name, START_BALANCES)
        self.trades: deque[UserTrade] = deque(maxlen=_KEPT_TRADES)
        self.log: deque[Line] = deque(maxlen=_KEPT_LINES)
        self.settlements: deque[Line] = deque(maxlen=_KEPT_LINES)
        self.held: dict[str, Instrument] = {}
        self._funded_ms: dict[str, int] = {}
        self._numbers = count(user_id * 1_000 + 1)

    # Worth

    def totals(self, currency: str, orders: Iterable[OpenOrder]) -> Totals:
        """Return one currency's sums at present marks."""
        held = [p for p in self.account.positions.values() if p.currency == currency and p.size]
        return self.account.totals(currency, {p.name: self._value(p.name) for p in held}, orders)

    def _value(self, name: str) -> Value:
        instrument = self.held[name]
        return value_of(instrument, self._quotes.mark(instrument))

    def position(self, instrument: Instrument) -> Position:
        """Return the position in an instrument, made empty if there is none."""
        self.held[instrument.name] = instrument
        return self.account.position(instrument.name, contract_of(instrument), instrument.currency, instrument.coin)

    def imagined(self, keep: bool) -> "Ledger":
        """Return books in which anything may be tried: with the positions held, or with none."""
        other = Ledger(self._quotes, self._tape, self.account.name, self._user_id, self._numbering)
        other.account = deepcopy(self.account)
        other.held = dict(self.held)
        if not keep:
            other.account.positions.clear()
            other.account.session_rpl.clear()
        return other

    def imagine(self, instrument: Instrument, size: Decimal) -> None:
        """Hold more (or less) of an instrument, as if traded at its mark without a fee."""
        value = value_of(instrument, self._quotes.mark(instrument))
        if size:
            self.account.trade(self.position(instrument), size, value.mark, value.index, taker=True, charged=ZERO)

    # Trades

    def trade(self, order: Order, fill: Fill, mark: Mark, taker: bool) -> UserTrade:
        """Book one fill of an order."""
        order.fill(fill.amount, fill.price, self._quotes.now_ms())
        if order.instrument.combo:
            return self._combo_trade(order, fill, mark, taker)
        if order.instrument.spot:
            return self._spot_trade(order, fill, mark, taker)
        side, amount, price = order.side, fill.amount, fill.price
        return self._leg(order, order.order_id, order.instrument, side, amount, price, mark, taker, {})

    def _spot_trade(self, order: Order, fill: Fill, mark: Mark, taker: bool) -> UserTrade:
        pair, now_ms = order.instrument, self._quotes.now_ms()
        self.account.swap(pair.coin, pair.currency, fill.amount * order.side.sign, fill.price)
        trade_id, sequence = self._numbering.trade_id(pair)
        self._print(pair, fill.price, fill.amount, fill.taker_side is Side.BUY, sequence, {})
        fields = self._common(order, pair, order.side, fill.amount, fill.price, mark, taker, trade_id, sequence)
        trade = UserTrade(order.order_id, order.account, pair, now_ms, sequence, fields | {"fee": 0.0})
        self.trades.append(trade)
        change = -order.side.sign * fill.amount * fill.price
        line: dict[str, object] = {
            "user_role": "taker" if taker else "maker",
            "trade_id": trade_id,
            "side": order.side.value,
            "price": float(fill.price),
            "order_id": order.order_id,
            "info": "Source: api",
            "amount": float(fill.amount),
        }
        self._write(now_ms, "trade", pair, line, change, ZERO)
        return trade

    def _combo_trade(self, order: Order, fill: Fill, mark: Mark, taker: bool) -> UserTrade:
        combo = order.instrument
        legs = [leg.instrument for leg in combo.legs]
        ratios = [leg.ratio for leg in combo.legs]
        marks = [self._quotes.mark(leg) for leg in legs]
        contracts = [contract_of(leg) for leg in legs]
        prices = leg_prices(
            ratios, [Decimal(repr(m.price)) for m in marks], fill.price, step_of(contracts, combo.grid.fine)
        )
        buys = [(ratio > 0) is (order.side is Side.BUY) for ratio in ratios]
        amounts = [abs(ratio) * fill.amount for ratio in ratios]
        fees = leg_fees(contracts, amounts, prices, [Decimal(repr(m.index)) for m in marks], buys, taker)
        trade_id, sequence = self._numbering.trade_id(combo)
        tags: dict[str, object] = {"combo_id": combo.name, "combo_trade_id": trade_id}
        done: list[UserTrade] = []
        for leg, amount, price, leg_mark, buy, charged in zip(legs, amounts, prices, marks, buys, fees, strict=True):
            side, leg_order = (Side.BUY if buy else Side.SELL), self._numbering.order_id(leg)
            done.append(self._leg(order, leg_order, leg, side, amount, price, leg_mark, taker, tags, charged))
        told = [trade.fields for trade in done]
        fields = self._common(order, combo, order.side, fill.amount, fill.price, mark, taker, trade_id, sequence)
        fields |= {"fee": 0.0, "profit_loss": None, "legs": told}
        public = [{key: leg[key] for key in _PUBLIC if key in leg} for leg in told]
        self._print(combo, fill.price, fill.amount, fill.taker_side is Side.BUY, sequence, {"legs": public})
        now_ms = self._quotes.now_ms()
        trade = UserTrade(order.order_id, order.account, combo, now_ms, sequence, fields, tuple(done))
        self.trades.append(trade)
        return trade

    def _leg(
        self,
        order: Order,
        order_id: str,
        instrument: Instrument,
        side: Side,
        amount: Decimal,
        price: Decimal,
        mark: Mark,
        taker: bool,
        more: dict[str, object],
        charged: Decimal | None = None,
    ) -> UserTrade:
        """Book a trade of one instrument; `charged` None means the ordinary fee."""
        index, signed = Decimal(repr(mark.index)), amount * side.sign
        position = self.position(instrument)
        self._fund(position, instrument)
        before = position.size
        paid, profit = self.account.trade(position, signed, price, index, taker, charged)
        trade_id, sequence = self._numbering.trade_id(instrument)
        buy = (side is Side.BUY) is taker
        self._print(instrument, price, amount, buy, sequence, more)
        fields = self._common(order, instrument, side, amount, price, mark, taker, trade_id, sequence)
        fields |= {"order_id": order_id, "fee": float(paid), "profit_loss": round(float(profit), 8)} | more
        if instrument.option:
            fields |= {"iv": implied_pct(instrument, [price], mark)[0], "underlying_price": round(mark.forward, 4)}
        now_ms = self._quotes.now_ms()
        trade = UserTrade(order_id, order.account, instrument, now_ms, sequence, fields)
        self.trades.append(trade)
        opens = before == 0 or (before > 0) is (signed > 0)
        change = -signed * price - paid if position.contract.option else -paid
        self._write(
            now_ms,
            "trade",
            instrument,
            {
                "user_role": "taker" if taker else "maker",
                "trade_id": trade_id,
                "side": f"{'open' if opens else 'close'} {side.value}",
                "profit_as_cashflow": False,
                "price": float(price),
                "position": float(position.size),
                "order_id": order_id,
                "mark_price": shown_mark(instrument, mark.price),
                "index_price": mark.index,
                "interest_pl": 0.0,
                "info": "Source: api",
                "amount": float(amount),
                "contracts": float(amount / instrument.contract_size),
            },
            change,
            paid,
        )
        return trade

    def _common(
        self,
        order: Order,
        instrument: Instrument,
        side: Side,
        amount: Decimal,
        price: Decimal,
        mark: Mark,
        taker: bool,
        trade_id: str,
        sequence: int,
    ) -> dict[str, object]:
        fields: dict[str, object] = {
            "trade_id": trade_id,
            "trade_seq": sequence,
            "timestamp": self._quotes.now_ms(),
            "instrument_name": instrument.name,
            "direction": side.value,
            "price": float(price),
            "amount": float(amount),
            "contracts": float(amount / instrument.contract_size),
            "mark_price": shown_mark(instrument, mark.price),
            "index_price": mark.index,
            "tick_direction": 0 if side is Side.BUY else 2,
            "order_id": order.order_id,
            "order_type": order.told_type.value,
            "state": order.state,
            "liquidity": "T" if taker else "M",
            "fee_currency": instrument.currency,
            "label": order.label,
            "matching_id": None,
            "self_trade": False,
            "reduce_only": order.reduce_only,
            "post_only": order.post_only,
            "risk_reducing": order.risk_reducing,
            "api": True,
            "mmp": order.mmp,
            "user_id": order.user_id,
        }
        return fields | ({} if order.advanced is None else {"advanced": order.advanced.value})

    def _print(
        self, instrument: Instrument, price: Decimal, amount: Decimal, buy: bool, sequence: int, more: dict[str, object]
    ) -> None:
        now_ms = self._quotes.now_ms()
        self._tape.record(instrument.name, UserPrint(now_ms, float(price), float(amount), buy, sequence, more or None))

    # Funding, settlement, delivery

    def fund(self) -> None:
        """Book the funding of all perpetuals up to now."""
        for position in self.account.positions.values():
            self._fund(position, self.held[position.name])

    def _fund(self, position: Position, instrument: Instrument) -> None:
        now_ms = self._quotes.now_ms()
        since_ms = self._funded_ms.get(instrument.name, now_ms)
        self._funded_ms[instrument.name] = now_ms
        if not instrument.perpetual or instrument.option or position.size == 0 or now_ms <= since_ms:
            return
        market = self._quotes.market
        times = np.arange(since_ms, now_ms, _FUNDING_STEP_MS, dtype=np.int64)
        rate = float(market.funding_rates(instrument.coin, times).mean()) * (now_ms - since_ms) / (8 * HOUR_MS)
        index = Decimal(repr(self._quotes.index(instrument.coin)))
        notional = position.size * index if instrument.linear else position.size / index
        amount = (-notional * Decimal(repr(rate))).quantize(_FINE)
        if amount:
            self.account.fund(position, amount)

    def settle(self, time_ms: int) -> None:
        """Settle the futures' session profit at 08:00."""
        self.fund()
        for position in self.account.positions.values():
            instrument = self.held[position.name]
            if not instrument.option and (position.size or position.realised):
                done = self.account.settle(position, self._mark_at(instrument, time_ms))
                self._settled("settlement", time_ms, instrument, done)

    def _mark_at(self, instrument: Instrument, time_ms: int) -> Decimal:
        """Return a future's mark at a moment of the past (of a recorded coin, its present one: it has no past)."""
        market, coin = self._quotes.market, instrument.coin
        if instrument.perpetual:
            return Decimal(repr(market.perpetual(coin, time_ms)))
        if self._quotes.chain(coin) is not None:
            return value_of(instrument, self._quotes.mark(instrument)).mark
        forward = market.forward(coin, time_ms, np.array([instrument.expiry_ms], dtype=np.int64))
        return Decimal(repr(round(float(forward[0]), 8)))

    def deliver(self, name: str) -> None:
        """End what was held of an expired instrument at its delivery price."""
        instrument = self.held.pop(name)
        self._funded_ms.pop(name, None)
        index = Decimal(repr(self._quotes.market.index(instrument.coin, instrument.expiry_ms)))
        free = instrument.period in ("day", "week")
        done = self.account.deliver(name, _delivery_price(instrument, index), index, free)
        if done is not None:
            self._settled("delivery", instrument.expiry_ms, instrument, done)

    def _settled(self, kind: str, time_ms: int, instrument: Instrument, done: Settled) -> None:
        index = self._quotes.market.index(instrument.coin, time_ms)
        realised = done.session - done.profit
        fields: dict[str, object] = {
            "trade_id": None,
            "order_id": None,
            "side": "long" if done.size > 0 else "short" if done.size < 0 else "-",
            "session_upl": _coin(done.profit),
            "session_rpl": _coin(realised),
            "price": float(done.price),
            "position": float(done.size) if kind == "settlement" else 0.0,
            "interest_pl": _coin(done.funding),
            "total_interest_pl": _coin(done.funding),
            "mark_price": float(done.price),
            "index_price": index,
            "amount": abs(float(done.size)),
            "info": {"settlement_price": float(done.price), "floating_pl": _coin(done.profit)},
        }
        self._write(time_ms, kind, instrument, fields, done.cash, done.fee or None)
        told: dict[str, object] = {
            "type": kind,
            "timestamp": time_ms,
            "instrument_name": instrument.name,
            "position": float(done.size),
            "profit_loss": _coin(done.profit),
            "session_profit_loss": _coin(done.session),
            "mark_price": float(done.price),
            "index_price": index,
        }
        if instrument.perpetual:
            told["funding"] = _coin(done.funding)
        self.settlements.append(Line(next(self._numbers), time_ms, instrument.currency, kind, instrument, told))

    def _write(
        self,
        time_ms: int,
        kind: str,
        instrument: Instrument,
        fields: dict[str, object],
        change: Decimal,
        charged: Decimal | None,
    ) -> None:
        """Add a line to the transaction log, with the balance and equity it led to."""
        currency, number = instrument.currency, next(self._numbers)
        sums = self.totals(currency, ())
        common: dict[str, object] = {
            "id": number,
            "user_seq": number,
            "user_id": self._user_id,
            "username": self.account.name,
            "type": kind,
            "timestamp": time_ms,
            "currency": currency,
            "instrument_name": instrument.name,
            "price_currency": currency if instrument.option or instrument.linear else "USD",
            "change": _coin(change),
            "cashflow": _coin(change),
            "commission": None if charged is None else _coin(charged),
            "balance": _coin(self.account.balances[currency]),
            "equity": _coin(self.account.equity(currency, sums)),
        }
        self.log.append(Line(number, time_ms, currency, kind, instrument, common | fields))


def _delivery_price(instrument: Instrument, index: Decimal) -> Decimal:
    """Return what an expired instrument is worth, in its own price unit."""
    if not instrument.option:
        return index
    strike = Decimal(repr(instrument.strike))
    worth = max(index - strike if instrument.is_call else strike - index, ZERO)
    return worth if instrument.linear else worth / index


_PUBLIC = (
    "trade_id",
    "trade_seq",
    "timestamp",
    "instrument_name",
    "direction",
    "price",
    "amount",
    "contracts",
    "mark_price",
    "index_price",
    "tick_direction",
    "iv",
    "combo_id",
    "combo_trade_id",
)


def _coin(value: Decimal) -> float:
    return round(float(value), 8) + 0.0
