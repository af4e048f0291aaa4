"""The RPC surface of Bybit. Importing it declares every `bybit.*` method."""

from cerberod.venues.bybit.methods import batches, cancels, market, orders

__all__ = ["batches", "cancels", "market", "orders"]
