"""What happens without anybody asking: funding, deliveries, and the stops of positions."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from cerberod.simulator.bybit.blotter import Blotter
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.ledger import Ledger
from cerberod.simulator.bybit.orders import Order, Protection, Trigger
from cerberod.simulator.bybit.quotes import Quotes
from cerberod.simulator.bybit.tape import Tape
from cerberod.simulator.bybit.wallet import Holding
from cerberod.simulator.matching import ZERO, Side
from cerberod.simulator.noise import KNOT_MS

_MOST_PAYMENTS: Final = 200
_AVERAGED_MS: Final = 1_800_000


class Events:
    """The events of one account, run up to the present by `run`."""

    def __init__(self, ledger: Ledger, tape: Tape, blotter: Blotter) -> None:
        self._ledger = ledger
        self._account = ledger.account
        self._quotes = ledger.quotes
        self._tape = tape
        self._blotter = blotter
        self._funded_ms = self._quotes.now_ms()

    def run(self) -> None:
        """Let everything happen that is due."""
        self._fund()
        self._deliver()
        self._trail()

    # Funding and delivery

    def _fund(self) -> None:
        since_ms, now_ms = self._funded_ms, self._quotes.now_ms()
        self._funded_ms = now_ms
        if now_ms <= since_ms:
            return
        for held in self._account.holdings.values():
            i = held.instrument
            if not held.size or not i.perpetual:
                continue
            times = self._tape.funding_times(i, max(since_ms, held.opened_ms), now_ms)[-_MOST_PAYMENTS:]
            for time_ms, rate in zip(times, self._tape.funding_rates(i, times), strict=True):
                index = self._quotes.market.index(i.asset, time_ms) * i.scale
                self._ledger.fund(held, Decimal(repr(rate)), Decimal(repr(round(index, 8))), time_ms)

    def _deliver(self) -> None:
        now_ms = self._quotes.now_ms()
        for key, held in list(self._account.holdings.items()):
            i = held.instrument
            if not i.delivery_ms or now_ms < i.delivery_ms:
                continue
            if held.size:
                self._ledger.deliver(held, delivery_price(self._quotes, i), i.delivery_ms)
            del self._account.holdings[key]
        for order in self._blotter.open_orders():
            i = order.instrument
            if i.delivery_ms and now_ms >= i.delivery_ms:
                self._blotter.end(order, cancel_type="CancelBySettle")

    # The stops of positions

    def after_fill(self, order: Order) -> None:
        """Give a position the protection its order carried, and take away the stops of one that is gone."""
        if order.instrument.spot:
            return
        held = self._account.holding(order.instrument, order.position_idx)
        if held.size and order.protection.any and held.protection != order.protection:
            self.protect(held, order.protection)
        if not held.size:
            self._unprotect(held)
        self._cut_reducing(order, held)

    def protect(self, held: Holding, protection: Protection) -> None:
        """Put a position's take profit and stop loss in place of those it had."""
        self._cancel_stops(held, ("TakeProfit", "StopLoss"))
        held.protection = replace(protection, mode=protection.mode or "Full")
        long = held.size > 0
        for name, price, by, limit in (
            ("TakeProfit", protection.take_profit, protection.tp_by, protection.tp_limit),
            ("StopLoss", protection.stop_loss, protection.sl_by, protection.sl_limit),
        ):
            if price is not None:
                trigger = Trigger(price, rises=(name == "TakeProfit") == long, by=by or "LastPrice")
                self.stop(held, name, trigger, abs(held.size), limit)

    def stop(self, held: Holding, name: str, trigger: Trigger, qty: Decimal, limit: Decimal | None = None) -> None:
        """Add a stop order of a position, as the venue makes them itself."""
        i, numbering = held.instrument, self._ledger.numbering
        number, now_ms = numbering.next(), self._quotes.now_ms()
        self._blotter.add(
            Order(
                numbering.order_id(i, number),
                "",
                number,
                i,
                Side.SELL if held.size > 0 else Side.BUY,
                qty,
                limit or ZERO,
                market=limit is None,
                time_in_force="IOC" if limit is None else "GTC",
                position_idx=held.idx,
                reduce_only=True,
                created_ms=now_ms,
                updated_ms=now_ms,
                close_on_trigger=True,
                trigger=trigger,
                status="Untriggered",
                seen=True,
                create_type=f"CreateBy{name}",
                stop_type=name,
                last_price=i.price_text(self._tape.last(i)),
            )
        )

    def _unprotect(self, held: Holding) -> None:
        held.protection, held.trailing, held.active_price, held.extreme = Protection(), ZERO, None, None
        self._cancel_stops(held, ("TakeProfit", "StopLoss", "PartialTakeProfit", "PartialStopLoss"))

    def _cancel_stops(self, held: Holding, names: tuple[str, ...]) -> None:
        for order in self._stops(held, names):
            self._blotter.end(order, cancel_type="CancelByTpSlTsClear")

    def _stops(self, held: Holding, names: tuple[str, ...]) -> list[Order]:
        return [
            o
            for o in self._blotter.open_orders()
            if o.instrument.key == held.instrument.key
            and o.position_idx == held.idx
            and o.stop_type in names
            and o.status == "Untriggered"
        ]

    def _cut_reducing(self, cause: Order, held: Holding) -> None:
        """End resting reduce-only orders that have nothing left to reduce; stops follow the position's size."""
        for order in self._blotter.open_orders():
            if order is cause or order.instrument.key != held.instrument.key or order.position_idx != held.idx:
                continue
            if not order.reduce_only or not order.seen:
                continue
            if order.status == "Untriggered":
                if order.stop_type in ("TakeProfit", "StopLoss") and held.size:
                    order.qty = abs(held.size)
            elif held.size == 0 or (held.size > 0) is (order.side is Side.BUY):
                self._blotter.end(order, cancel_type="CancelByReduceOnly")

    def _trail(self) -> None:
        """Move trailing stops along, and close the position whose price came back far enough."""
        for held in list(self._account.holdings.values()):
            if not held.size or not held.trailing:
                continue
            price = self._quotes.trigger_price(held.instrument, "LastPrice")
            long = held.size > 0
            if held.extreme is None:
                start = held.active_price
                if start is not None and (price < start if long else price > start):
                    continue
                held.extreme = price
            held.extreme = max(held.extreme, price) if long else min(held.extreme, price)
            if abs(held.extreme - price) >= held.trailing:
                held.trailing, held.extreme = ZERO, None
                self.stop(held, "TrailingStop", Trigger(price, rises=not long), abs(held.size))


def delivered_index(quotes: Quotes, asset: str, end_ms: int) -> Decimal:
    """Return the mean index of the half hour before a delivery."""
    prices = quotes.market.index_at_knots(asset, (end_ms - _AVERAGED_MS) // KNOT_MS, end_ms // KNOT_MS - 1)
    return Decimal(repr(round(float(prices.mean()), 8)))


def delivery_price(quotes: Quotes, instrument: Instrument) -> Decimal:
    """Return what a dated contract is settled at: an option at what it is worth in the end."""
    mean = delivered_index(quotes, instrument.asset, instrument.delivery_ms)
    if not instrument.option:
        return mean
    strike = Decimal(repr(instrument.strike))
    return max(mean - strike if instrument.is_call else strike - mean, ZERO)
