"""The RPC surface of Bybit. Importing it declares every `bybit.*` method."""

from cerberod.venues.bybit.methods import batches, cancels, market, orders, positions, stops

__all__ = ["batches", "cancels", "market", "orders", "positions", "stops"]
