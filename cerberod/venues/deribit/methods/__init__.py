"""The RPC surface of Deribit. Importing it declares every `deribit.*` method."""

from cerberod.venues.deribit.methods import (
    account,
    brackets,
    building,
    cancels,
    combo_orders,
    edits,
    finding,
    market,
    orders,
    past,
    positioning,
    reducing,
    series,
    volatility,
)

__all__ = [
    "account",
    "brackets",
    "building",
    "cancels",
    "combo_orders",
    "edits",
    "finding",
    "market",
    "orders",
    "past",
    "positioning",
    "reducing",
    "series",
    "volatility",
]
