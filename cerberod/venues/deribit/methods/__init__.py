"""The RPC surface of Deribit. Importing it declares every `deribit.*` method."""

from cerberod.venues.deribit.methods import account, market, trade

__all__ = ["account", "market", "trade"]
