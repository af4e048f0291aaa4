"""The RPC surface of the analytics. Importing it declares every `common.*` method."""

from cerberod.calculation.methods import indicators

__all__ = ["indicators"]
