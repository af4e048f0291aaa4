"""Greeks of a listed chain: columns in, columns out."""

import numpy as np

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.black import Convention, black_76
from cerberod.analytics.implied import implied_volatility
from cerberod.calculation.kernels.listed_smiles import columns
from cerberod.calculation.listed import greeks as told


def greeks(p: told.GreeksParams) -> told.Greeks:
    chain = columns(p.chain)
    years = chain.years
    found = black_76(chain.forward, chain.strike, years, chain.volatility, chain.is_call, convention=Convention.DERIBIT)

    def implied(quotes: list[float]) -> list[float | None]:
        prices: FloatArray = np.array(quotes)
        solved = implied_volatility(prices, chain.forward, chain.strike, years, chain.is_call).volatility
        out: list[float | None] = np.ma.masked_where(prices == 0.0, 100.0 * solved).tolist()
        return out

    return told.Greeks(
        price=found.price.tolist(),
        delta=found.delta.tolist(),
        gamma=found.gamma.tolist(),
        vega=found.vega.tolist(),
        theta=found.theta.tolist(),
        rho=found.rho.tolist(),
        vanna=found.vanna.tolist(),
        charm=found.charm.tolist(),
        volga=found.volga.tolist(),
        bid_iv_pct=implied(p.bid),
        ask_iv_pct=implied(p.ask),
    )
