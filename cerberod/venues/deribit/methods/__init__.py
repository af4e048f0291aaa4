"""The RPC surface of Deribit. Importing it declares every `deribit.*` method."""

from cerberod.venues.deribit.methods import account, cancels, market, orders

__all__ = ["account", "cancels", "market", "orders"]
