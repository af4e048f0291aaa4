"""Booking: what a fill, a funding payment or a delivery does to the account, and the records it leaves.

Executions, closed profit and the transaction log are three views of the same bookings, told in the venue's own words.
A fee is positive when paid, in the execution's `execFee` for funding too; in the transaction log funding is positive
when received.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.orders import Execution, Numbering, Order
from cerberod.simulator.bybit.quotes import Quotes
from cerberod.simulator.bybit.wallet import Account, Holding, fee, fee_rate
from cerberod.simulator.bybit.wire import number, plain
from cerberod.simulator.matching import ZERO, Side

_KEPT: Final = 10_000


@dataclass
class ClosedProfit:
    """What one order closed of a position."""

    order: Order
    created_ms: int
    updated_ms: int
    closed: Decimal = ZERO
    entry_value: Decimal = ZERO
    exit_value: Decimal = ZERO
    profit: Decimal = ZERO
    open_fee: Decimal = ZERO
    close_fee: Decimal = ZERO
    fills: int = 0
    leverage: Decimal = ZERO
    exec_type: str = "Trade"

    def record(self) -> dict[str, Any]:
        """Return the row of `closed-pnl`."""
        i = self.order.instrument
        entry, leaving = self.entry_value, self.exit_value
        return {
            "symbol": i.symbol,
            "orderType": "Market" if self.order.market else "Limit",
            "leverage": plain(self.leverage),
            "updatedTime": str(self.updated_ms),
            "side": "Buy" if self.order.side is Side.BUY else "Sell",
            "orderId": self.order.order_id,
            "closedPnl": plain(round(self.profit - self.open_fee - self.close_fee, 8)),
            "avgEntryPrice": plain(round(self.closed / entry if i.inverse else entry / self.closed, 8)),
            "qty": plain(self.order.qty),
            "cumEntryValue": plain(round(entry, 8)),
            "createdTime": str(self.created_ms),
            "orderPrice": plain(self.order.price),
            "closedSize": plain(self.closed),
            "avgExitPrice": plain(round(self.closed / leaving if i.inverse else leaving / self.closed, 8)),
            "execType": self.exec_type,
            "fillCount": str(self.fills),
            "cumExitValue": plain(round(leaving, 8)),
            "openFee": plain(round(self.open_fee, 8)),
            "closeFee": plain(round(self.close_fee, 8)),
        }


@dataclass
class Ledger:
    """Everything that was booked, oldest first."""

    account: Account
    quotes: Quotes
    numbering: Numbering
    executions: deque[Execution] = field(default_factory=lambda: deque(maxlen=_KEPT))
    log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    closed: dict[str, ClosedProfit] = field(default_factory=dict)

    def fill(self, order: Order, qty: Decimal, price: Decimal, taker: bool) -> None:
        """Book one fill of an order."""
        i, now_ms = order.instrument, self.quotes.now_ms()
        mark = self.quotes.mark(i)
        order.fill(qty, price, now_ms)
        charged = fee(i, qty, price, Decimal(repr(round(mark.index, 8))), taker)
        number_ = self.numbering.next()
        exec_id = self.numbering.exec_id(i, number_)
        signed = qty if order.side is Side.BUY else -qty
        entry = _Entry(order.instrument, order.side, order.order_id, order.link_id, exec_id, now_ms)
        closed = ZERO
        if i.spot:
            fee_coin = i.base if order.side is Side.BUY else i.quote
            if fee_coin == i.base:
                charged = (qty * fee_rate(i, taker)).quantize(Decimal("0.000000001"))
            self._spot(entry, signed, price, charged, fee_coin, taker)
        else:
            fee_coin = i.settle
            closed = self._contract(entry, order, signed, price, charged, taker)
        order.fee, order.fee_coin = order.fee + charged, fee_coin
        fields = self._execution(order, exec_id, number_, qty, price, charged, taker) | {
            "feeCurrency": fee_coin if i.spot else "",
            "closedSize": "" if i.spot else plain(closed),
        }
        if not i.spot:
            fields |= {"markPrice": number(mark.price, 8 if i.option else i.places)}
        if i.option:
            fields |= {
                "markIv": number(mark.volatility, 4),
                "tradeIv": number(mark.volatility, 4),
                "indexPrice": number(mark.index, 8),
                "underlyingPrice": number(mark.forward, 2),
            }
        self.executions.append(Execution(i, order.order_id, order.link_id, "Trade", now_ms, fields))

    def _spot(
        self, entry: "_Entry", signed: Decimal, price: Decimal, charged: Decimal, fee_coin: str, taker: bool
    ) -> None:
        i = entry.instrument
        for coin, amount in ((i.base, signed), (i.quote, -signed * price)):
            paid = charged if coin == fee_coin else ZERO
            balance = self.account.pay(coin, amount - paid)
            self._note(entry, "TRADE", coin, amount, paid, balance, price, signed, ZERO, fee_rate(i, taker))

    def _contract(
        self, entry: "_Entry", order: Order, signed: Decimal, price: Decimal, charged: Decimal, taker: bool
    ) -> Decimal:
        """Book a trade of a contract; return the size it closed."""
        i = order.instrument
        held = self.account.holding(i, order.position_idx)
        before = held.size
        profit, closed, entry_price = held.trade(signed, price)
        held.updated_ms, held.seq = entry.time_ms, self.numbering.next()
        held.created_ms = held.created_ms or entry.time_ms
        closing_fee = charged * closed / abs(signed)
        open_fee = held.open_fee * closed / abs(before) if closed else ZERO
        held.open_fee += charged - closing_fee - open_fee
        if not before or (held.size and (held.size > 0) != (before > 0)):
            held.opened_ms, held.realised_now = entry.time_ms, ZERO
        held.realised += profit - charged
        held.realised_now += profit - charged
        cash = -signed * price if i.option else profit
        self.account.realised[i.settle] = self.account.realised.get(i.settle, ZERO) + profit - charged
        balance = self.account.pay(i.settle, cash - charged)
        self._note(entry, "TRADE", i.settle, cash, charged, balance, price, signed, held.size, fee_rate(i, taker))
        if closed:
            row = self.closed.setdefault(order.order_id, ClosedProfit(order, order.created_ms, entry.time_ms))
            while len(self.closed) > _KEPT:
                del self.closed[next(iter(self.closed))]
            row.updated_ms, row.fills, row.leverage = entry.time_ms, row.fills + 1, self.account.leverage(i)
            row.closed += closed
            row.entry_value += i.value_of(closed, entry_price)
            row.exit_value += i.value_of(closed, price)
            row.profit += profit
            row.open_fee += open_fee
            row.close_fee += closing_fee
        if held.size == 0:
            held.open_fee = ZERO
        return closed

    def fund(self, held: Holding, rate: Decimal, mark: Decimal, time_ms: int) -> None:
        """Book a funding payment: a long pays when the rate is positive."""
        i = held.instrument
        value = held.worth(mark)
        paid = (value * rate * (1 if held.size > 0 else -1)).quantize(Decimal("0.00000001"))
        number_ = self.numbering.next()
        side = Side.BUY if held.size > 0 else Side.SELL
        order_id = self.numbering.unique("funding", number_)
        exec_id = self.numbering.exec_id(i, number_)
        entry = _Entry(i, side, order_id, "", exec_id, time_ms)
        held.realised -= paid
        held.realised_now -= paid
        balance = self.account.pay(i.settle, -paid)
        self._note(entry, "SETTLEMENT", i.settle, ZERO, ZERO, balance, mark, held.size, held.size, rate, funding=-paid)
        self._event(entry, "Funding", abs(held.size), mark, paid, rate, number_, closed=ZERO)

    def deliver(self, held: Holding, price: Decimal, time_ms: int) -> None:
        """End a position at its delivery price."""
        i, size = held.instrument, held.size
        number_ = self.numbering.next()
        side = Side.SELL if size > 0 else Side.BUY
        entry = _Entry(
            i, side, self.numbering.unique("delivery", number_), "", self.numbering.exec_id(i, number_), time_ms
        )
        profit = size * (price - held.average) if i.option else held.floating(price)
        cash = size * price if i.option else profit
        held.realised += profit
        self.account.realised[i.settle] = self.account.realised.get(i.settle, ZERO) + profit
        balance = self.account.pay(i.settle, cash)
        self._note(entry, "DELIVERY", i.settle, cash, ZERO, balance, price, -size, ZERO, ZERO)
        self._event(entry, "Delivery", abs(size), price, ZERO, ZERO, number_, closed=abs(size))

    # Records

    def _event(
        self,
        entry: "_Entry",
        exec_type: str,
        qty: Decimal,
        price: Decimal,
        paid: Decimal,
        rate: Decimal,
        number_: int,
        closed: Decimal,
    ) -> None:
        i = entry.instrument
        fields = _blank(entry, exec_type, number_) | {
            "orderType": "UNKNOWN",
            "stopOrderType": "UNKNOWN",
            "createType": "",
            "feeRate": plain(rate),
            "markPrice": plain(round(price, 8)),
            "execPrice": plain(round(price, 8)),
            "execValue": plain(round(i.value_of(qty, price), 8)),
            "closedSize": plain(closed),
            "execFee": plain(paid),
            "execFeeV2": plain(paid),
            "execQty": plain(qty),
        }
        self.executions.append(Execution(i, entry.order_id, "", exec_type, entry.time_ms, fields))

    def _execution(
        self, order: Order, exec_id: str, number_: int, qty: Decimal, price: Decimal, charged: Decimal, taker: bool
    ) -> dict[str, Any]:
        i = order.instrument
        entry = _Entry(i, order.side, order.order_id, order.link_id, exec_id, self.quotes.now_ms())
        return _blank(entry, "Trade", number_) | {
            "orderType": "Market" if order.market else "Limit",
            "stopOrderType": order.stop_type or ("" if i.spot else "UNKNOWN"),
            **({} if i.spot else {"createType": order.create_type}),
            "feeRate": plain(fee_rate(i, taker)),
            "execPrice": plain(price),
            "orderQty": "0" if order.in_quote else plain(order.qty),
            "orderPrice": plain(order.price),
            "execValue": plain(round(i.value_of(qty, price), 8)),
            "leavesQty": "0" if order.in_quote else plain(order.remaining),
            "isMaker": not taker,
            "execFee": plain(charged),
            "execFeeV2": plain(charged),
            "execQty": plain(qty),
            "marketUnit": ("quoteCoin" if order.in_quote else "baseCoin") if i.spot and order.market else "",
        }

    def _note(
        self,
        entry: "_Entry",
        kind: str,
        coin: str,
        cash: Decimal,
        paid: Decimal,
        balance: Decimal,
        price: Decimal,
        signed: Decimal,
        size: Decimal,
        rate: Decimal,
        funding: Decimal | None = None,
    ) -> None:
        self.log.append(
            {
                "id": f"{self.numbering.start}_{entry.instrument.symbol}_{len(self.log) + 1}",
                "symbol": entry.instrument.symbol,
                "category": entry.instrument.category,
                "side": "Buy" if entry.side is Side.BUY else "Sell",
                "transactionTime": str(entry.time_ms),
                "type": kind,
                "transSubType": "",
                "qty": plain(abs(signed)),
                "size": plain(size),
                "currency": coin,
                "tradePrice": plain(round(price, 8)),
                "funding": "" if funding is None else plain(funding),
                "fee": plain(paid),
                "cashFlow": plain(round(cash, 8)),
                "change": plain(round(cash + (funding or ZERO) - paid, 8)),
                "cashBalance": plain(round(balance, 8)),
                "feeRate": plain(rate),
                "bonusChange": "",
                "tradeId": entry.exec_id,
                "orderId": entry.order_id,
                "orderLinkId": entry.link_id,
                "extraFees": "",
            }
        )


@dataclass(frozen=True)
class _Entry:
    """Whose booking it is."""

    instrument: Instrument
    side: Side
    order_id: str
    link_id: str
    exec_id: str
    time_ms: int


def _blank(entry: _Entry, exec_type: str, number_: int) -> dict[str, Any]:
    """Return an execution's row with nothing told but whose it is."""
    return {
        "symbol": entry.instrument.symbol,
        "orderType": "",
        "underlyingPrice": "",
        "orderLinkId": entry.link_id,
        "orderId": entry.order_id,
        "stopOrderType": "",
        "execTime": str(entry.time_ms),
        "feeCurrency": "",
        "feeRate": "",
        "tradeIv": "",
        "blockTradeId": "",
        "markPrice": "",
        "execPrice": "",
        "markIv": "",
        "orderQty": "0",
        "orderPrice": "0",
        "execValue": "",
        "closedSize": "",
        "execType": exec_type,
        "seq": 1_000_000 + number_,
        "side": "Buy" if entry.side is Side.BUY else "Sell",
        "indexPrice": "",
        "leavesQty": "0",
        "isMaker": False,
        "execFee": "",
        "execFeeV2": "",
        "execId": entry.exec_id,
        "marketUnit": "",
        "execQty": "",
        "extraFees": "",
    }
