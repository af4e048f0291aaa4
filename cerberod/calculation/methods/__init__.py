"""The RPC surface of the analytics. Importing it declares every `common.*` method."""

from cerberod.calculation.methods import (
    books,
    chains,
    indicators,
    options,
    payoffs,
    performance,
    statistics,
    volatility,
)

__all__ = ["books", "chains", "indicators", "options", "payoffs", "performance", "statistics", "volatility"]
