"""The private methods that cancel, and the words by which they and the reads choose orders."""

from collections.abc import Iterable
from typing import Any, Final

from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.ledger import CURRENCIES
from cerberod.simulator.deribit.orders import Order, OrderType
from cerberod.simulator.deribit.public import KINDS, Call, Method, instrument_of
from cerberod.simulator.deribit.wire import invalid

_STOPS = frozenset({OrderType.STOP_LIMIT, OrderType.STOP_MARKET})
_TAKES = frozenset({OrderType.TAKE_LIMIT, OrderType.TAKE_MARKET})
_TRAILING = frozenset({OrderType.TRAILING_STOP})
ORDER_TYPES: Final = {
    "all": frozenset(OrderType),
    "limit": frozenset({OrderType.LIMIT, OrderType.MARKET_LIMIT}),
    "trigger_all": _STOPS | _TAKES | _TRAILING,
    "stop": _STOPS,
    "stop_all": _STOPS,
    "take": _TAKES,
    "take_all": _TAKES,
    "trailing_all": _TRAILING,
} | {t.value: frozenset({t}) for t in OrderType if t.waits}
"""Which order types a `type` means."""


def is_kind(kind: str | None, instrument: Instrument) -> bool:
    """Tell whether an instrument is of a kind; `combo` means combos of both kinds."""
    return kind in (None, "any", instrument.kind) or (kind == "combo" and instrument.combo)


def of_kind_and_type(call: Call, orders: Iterable[Order]) -> list[Order]:
    """Keep the orders that `kind` and `type` mean."""
    kind = call.params.choice("kind", KINDS)
    types = ORDER_TYPES[call.params.choice("type", tuple(ORDER_TYPES), "all") or "all"]
    return [o for o in orders if is_kind(kind, o.instrument) and o.type in types]


def cancel(call: Call) -> dict[str, Any]:
    order = call.exchange.blotter.find(call.params.required_text("order_id"))
    return call.exchange.cancel(order).record()


def cancel_all(call: Call) -> Any:
    return _cancelled(call, call.exchange.blotter.open_orders())


def cancel_all_by_currency(call: Call) -> Any:
    currency = call.params.currency(CURRENCIES)
    return _cancelled(call, of_kind_and_type(call, (o for o in _open(call) if o.instrument.currency == currency)))


def cancel_all_by_currency_pair(call: Call) -> Any:
    pair = call.params.required_text("currency_pair").lower()
    if pair not in {i.index_name for i in call.exchange.catalogue.live().values()}:
        raise invalid("currency_pair", "invalid value")
    return _cancelled(call, of_kind_and_type(call, (o for o in _open(call) if o.instrument.index_name == pair)))


def cancel_all_by_instrument(call: Call) -> Any:
    name, combos = instrument_of(call).name, bool(call.params.flag("include_combos"))

    def meant(order: Order) -> bool:
        legs = order.instrument.legs if combos else ()
        return order.instrument.name == name or any(leg.instrument.name == name for leg in legs)

    return _cancelled(call, of_kind_and_type(call, (o for o in _open(call) if meant(o))))


def cancel_all_by_kind_or_type(call: Call) -> Any:
    wanted = call.params.raw.get("currency")
    names = wanted if isinstance(wanted, list) else [wanted]
    if not names or not all(name in (*CURRENCIES, "any") for name in names):
        raise invalid("currency", "invalid currency")
    chosen = (o for o in _open(call) if "any" in names or o.instrument.currency in names)
    return _cancelled(call, of_kind_and_type(call, chosen))


def cancel_by_label(call: Call) -> int:
    label = call.params.required_text("label")
    currency = call.params.currency(CURRENCIES) if call.params.has("currency") else None
    found = [o for o in _open(call) if o.label == label and currency in (None, o.instrument.currency)]
    return len([call.exchange.cancel(order) for order in found if order.open])


def _open(call: Call) -> list[Order]:
    return call.exchange.blotter.open_orders()


def _cancelled(call: Call, orders: list[Order]) -> Any:
    """Cancel, and answer a number, or with `detailed` a list of groups."""
    groups: dict[tuple[str, str, str], list[dict[str, object]]] = {}
    done = 0
    for order in orders:
        if not order.open:  # filled while the books were brought up to date, or gone with its primary order
            continue
        record = call.exchange.cancel(order).record()
        key = (order.instrument.currency, order.instrument.name, _group(order))
        groups.setdefault(key, []).append(record)
        done += 1
    if not call.params.flag("detailed"):
        return done
    return [
        {"currency": currency, "instrument_name": name, "type": group, "result": records}
        for (currency, name, group), records in groups.items()
    ]


def _group(order: Order) -> str:
    """Return the `type` a detailed answer lists an order under."""
    return next(name for name in ("stop", "take", "trailing_stop", "limit", "all") if order.type in ORDER_TYPES[name])


METHODS: Final[dict[str, Method]] = {
    "private/cancel": cancel,
    "private/cancel_all": cancel_all,
    "private/cancel_all_by_currency": cancel_all_by_currency,
    "private/cancel_all_by_currency_pair": cancel_all_by_currency_pair,
    "private/cancel_all_by_instrument": cancel_all_by_instrument,
    "private/cancel_all_by_kind_or_type": cancel_all_by_kind_or_type,
    "private/cancel_by_label": cancel_by_label,
}
