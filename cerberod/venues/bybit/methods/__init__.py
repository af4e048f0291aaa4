"""The RPC surface of Bybit. Importing it declares every `bybit.*` method."""

from cerberod.venues.bybit.methods import market, orders

__all__ = ["market", "orders"]
