"""Changing an order that is open: in the book, waiting for a price, or waiting for another order's fill."""

from dataclasses import replace

from cerberod.simulator.deribit import terms, triggers
from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.orders import EditRequest, Order, OrderRequest, UserTrade
from cerberod.simulator.deribit.quotes import Mark
from cerberod.simulator.deribit.wire import VenueError, invalid
from cerberod.simulator.matching import ZERO, SelfTradeError


def edit(exchange: Exchange, order: Order, change: EditRequest) -> tuple[Order, list[UserTrade]]:
    """Change an open order; its place in the queue is kept when the price stays and the amount shrinks."""
    instrument = order.instrument
    mark = exchange.quotes.mark(instrument)
    book = exchange.quoted_book(instrument, mark)
    exchange.check_deadline(change.valid_until_ms)
    if not order.open:
        raise VenueError(11044)
    wanted = _edited(order, change)
    terms.check_request(wanted if change.display is not None else replace(wanted, display=None))
    if wanted.amount <= order.filled:
        raise invalid("amount", "must be above the filled amount")
    if not order.resting:
        return _edit_waiting(exchange, order, wanted, change, mark), []
    price = exchange.limit(wanted, book, mark) if change.price is not None else order.price
    if wanted.post_only and book.would_take(order.side, price):
        if wanted.reject_post_only:
            exchange.blotter.withdraw(order, "edit_post_only_reject")
            return order, []
        price = terms.kept_off(instrument, book, order.side, price, reject=False)
    left = wanted.amount - order.filled
    exchange.margin.check(instrument, order.side, left, price, mark, besides=order)
    try:
        book.check_self_trade(order.account, order.side, left, price)
    except SelfTradeError:
        raise VenueError(10003) from None
    order.amount, order.display = wanted.amount, wanted.display
    order.asked = wanted.price if wanted.advanced is not None else None
    order.auto_replaced = False
    _take_flags(exchange, order, wanted)
    resting = book.resting(order.order_id)
    if resting is not None and price == order.price and left <= resting.remaining and change.display is None:
        book.shrink(order.order_id, left)
        return order, exchange.after(book, order, [], mark)
    book.cancel(order.order_id)
    order.price = price
    return order, exchange.after(book, order, exchange.submit(book, order, order.lifetime), mark)


def _edited(order: Order, change: EditRequest) -> OrderRequest:
    """Return an order as it would be asked for with a change made."""
    if change.advanced is not None and order.advanced is None:
        raise VenueError(11041)
    if order.advanced is not None and change.advanced is None and change.price is not None:
        raise invalid("advanced", "value required")
    if (change.trigger_price is not None or change.trigger_offset is not None) and order.trigger is None:
        raise VenueError(11047)
    standing = order.asked if order.advanced is not None else order.price
    return OrderRequest(
        instrument=order.instrument,
        side=order.side,
        amount=order.amount if change.amount is None else change.amount,
        price=(standing if change.price is None else change.price) if order.told_type.priced else None,
        type=order.told_type,
        lifetime=order.lifetime,
        label=order.label,
        post_only=order.post_only if change.post_only is None else change.post_only,
        reject_post_only=order.reject_post_only if change.reject_post_only is None else change.reject_post_only,
        reduce_only=order.reduce_only if change.reduce_only is None else change.reduce_only,
        display=order.display if change.display is None else change.display,
        mmp=order.mmp if change.mmp is None else change.mmp,
        trigger=order.trigger,
        trigger_price=order.trigger_price if change.trigger_price is None else change.trigger_price,
        trigger_offset=order.trigger_offset if change.trigger_offset is None else change.trigger_offset,
        advanced=change.advanced or order.advanced,
    )


def _edit_waiting(exchange: Exchange, order: Order, wanted: OrderRequest, change: EditRequest, mark: Mark) -> Order:
    """Change an order that waits for a price, or for another order's fill."""
    if order.waiting is None:
        now = exchange.waiting.price(order.instrument, order.trigger, mark)
        trigger_price = wanted.trigger_price
        if change.trigger_offset is not None and now is not None:
            order.extreme = now
            trigger_price = triggers.trailing_trigger(order.side, now, change.trigger_offset)
        if now is not None and trigger_price is not None:
            triggers.check_trigger_price(order.type, order.side, trigger_price, now)
        order.trigger_price = trigger_price
    else:
        order.waiting, order.trigger_price = wanted, wanted.trigger_price
    order.amount, order.price, order.display = wanted.amount, wanted.price or ZERO, wanted.display
    order.trigger_offset = wanted.trigger_offset
    order.asked = wanted.price if wanted.advanced is not None else None
    _take_flags(exchange, order, wanted)
    exchange.blotter.tell(order.instrument, [order], [])
    return order


def _take_flags(exchange: Exchange, order: Order, wanted: OrderRequest) -> None:
    order.post_only, order.reject_post_only = wanted.post_only, wanted.reject_post_only
    order.reduce_only, order.mmp = wanted.reduce_only, wanted.mmp
    order.replaced, order.updated_ms = True, exchange.quotes.now_ms()
