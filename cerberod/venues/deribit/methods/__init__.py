"""The RPC surface of Deribit. Importing it declares every `deribit.*` method."""

from cerberod.venues.deribit.methods import (
    account,
    brackets,
    cancels,
    edits,
    market,
    orders,
    positioning,
    reducing,
    series,
    volatility,
)

__all__ = [
    "account",
    "brackets",
    "cancels",
    "edits",
    "market",
    "orders",
    "positioning",
    "reducing",
    "series",
    "volatility",
]
