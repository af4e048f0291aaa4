"""The RPC surface of Deribit. Importing it declares every `deribit.*` method."""

from cerberod.venues.deribit.methods import account, cancels, edits, market, orders, positioning, series, volatility

__all__ = ["account", "cancels", "edits", "market", "orders", "positioning", "series", "volatility"]
