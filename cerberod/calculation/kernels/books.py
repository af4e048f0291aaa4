"""Order books: params in, imbalances and costs out."""

import numpy as np

from cerberod.analytics import microstructure
from cerberod.analytics.microstructure import Fill, Side
from cerberod.calculation.kernels.telling import basis, called
from cerberod.calculation.methods import books as told


def orderbook_imbalance(p: told.Book) -> told.Imbalance:
    bids, asks = np.array(p.bids), np.array(p.asks)
    with called(bid_prices="bids", bid_sizes="bids", ask_prices="asks", ask_sizes="asks"):
        book = microstructure.book(bids[:, 0], bids[:, 1], asks[:, 0], asks[:, 1])
    by_level = microstructure.imbalance_by_level(book, p.levels)
    by_depth = microstructure.imbalance_by_depth(book, p.depths_bps)
    convention = "Imbalance (bids - asks)/(bids + asks) by size; costs are positive when against the taker."
    return told.Imbalance(
        basis=basis(p, len(p.bids) + len(p.asks), convention),
        mid=book.mid,
        spread_bps=book.spread_bps,
        microprice=microstructure.microprice(book),
        by_level=told.LevelImbalance(
            levels=by_level.levels,
            imbalances=by_level.imbalances.tolist(),
            bid_sizes=by_level.bid_sizes.tolist(),
            ask_sizes=by_level.ask_sizes.tolist(),
        ),
        by_depth=[
            told.DepthImbalance(
                depth_bps=depth,
                imbalance=imbalance,
                reason="no_orders" if imbalance is None else None,
                bid_size=bid,
                ask_size=ask,
                bid_complete=bid_complete,
                ask_complete=ask_complete,
            )
            for depth, imbalance, bid, ask, bid_complete, ask_complete in zip(
                p.depths_bps,
                by_depth.imbalances.tolist(),
                by_depth.bid_sizes.tolist(),
                by_depth.ask_sizes.tolist(),
                by_depth.bid_complete.tolist(),
                by_depth.ask_complete.tolist(),
                strict=True,
            )
        ],
        buy=None if p.size is None else _taking(microstructure.take(book, Side.BUY, p.size, inverse=p.inverse)),
        sell=None if p.size is None else _taking(microstructure.take(book, Side.SELL, p.size, inverse=p.inverse)),
    )


def _taking(fill: Fill) -> told.Taking:
    return told.Taking(
        size=fill.size,
        filled=fill.filled,
        levels=fill.levels,
        vwap=fill.vwap,
        worst_price=fill.worst,
        slippage_bps=fill.slippage_bps,
        from_best_bps=fill.from_best_bps,
        impact_bps=fill.impact_bps,
        reason=None if fill.reason is None else fill.reason.name.lower(),
    )
