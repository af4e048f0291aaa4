"""Which orders a request is about: an instrument, a currency, a kind, or all; listing them and cancelling them."""

from typing import Any

from cerberod.venues.deribit.wire.requests import Request, given


def open_orders_request(
    currency: str | None, kind: str | None, instrument_name: str | None
) -> tuple[str, dict[str, Any]]:
    """Return the venue's method and params that list the open orders of a scope."""
    if instrument_name is not None:
        return "private/get_open_orders_by_instrument", {"instrument_name": instrument_name}
    if currency is not None:
        return "private/get_open_orders_by_currency", given(currency=currency, kind=kind)
    return "private/get_open_orders", given(kind=kind)


def cancel_all_request(currency: str | None, kind: str | None, instrument_name: str | None) -> Request:
    """Return the venue's request that cancels every order of a scope and tells which they were."""
    if instrument_name is not None:
        return Request("private/cancel_all_by_instrument", {"instrument_name": instrument_name, "detailed": True})
    if currency is not None:
        return Request("private/cancel_all_by_currency", given(currency=currency, kind=kind, detailed=True))
    if kind is not None:
        return Request("private/cancel_all_by_kind_or_type", {"currency": "any", "kind": kind, "detailed": True})
    return Request("private/cancel_all", {"detailed": True})
