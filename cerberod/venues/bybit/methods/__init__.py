"""The RPC surface of Bybit. Importing it declares every `bybit.*` method."""

from cerberod.venues.bybit.methods import (
    account,
    basis,
    batches,
    cancels,
    market,
    options,
    orders,
    past,
    positions,
    series,
    stops,
    studies,
)

__all__ = [
    "account",
    "basis",
    "batches",
    "cancels",
    "market",
    "options",
    "orders",
    "past",
    "positions",
    "series",
    "stops",
    "studies",
]
