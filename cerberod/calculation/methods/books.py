"""What an order book says of the next trade and of the cost of a size."""

from typing import Annotated

from pydantic import Field

from cerberod.calculation.methods.words import Basis
from cerberod.calculation.service import Calculation, Kernel
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method

Side = Annotated[list[Annotated[list[float], Field(min_length=2, max_length=2)]], Field(min_length=1, max_length=5_000)]
Bps = Annotated[float, Field(gt=0, le=10_000)]


class Book(Params):
    """An order book and what to ask of it."""

    bids: Side = Field(
        description="[price, size] of each level, highest price first; prices and sizes above 0.",
        examples=[[[99.5, 2], [99, 1]]],
    )
    asks: Side = Field(
        description="[price, size] of each level, lowest price first; sizes in the unit of the bids'.",
        examples=[[[100.5, 1], [101, 3]]],
    )
    levels: Annotated[int, Field(ge=1, le=5_000)] = Field(default=10, description="Imbalance of the best 1 … so many.")
    depths_bps: Annotated[list[Bps], Field(min_length=1, max_length=50)] = Field(
        default=[10.0, 25.0, 50.0, 100.0], description="Imbalance within each distance of the mid, in basis points."
    )
    size: Annotated[float, Field(gt=0, le=1e15)] | None = Field(
        default=None, description="A size, in the book's unit, to tell the cost of taking at once, bought and sold."
    )
    inverse: bool = Field(
        default=False, description="Sizes are quote currency, of contracts settled in coin: averages are harmonic."
    )


class LevelImbalance(Result):
    """The best 1, 2, 3 … levels of both sides, no side deeper than the other: one item for each in every list."""

    levels: int = Field(description="How many levels of each side are counted at most; the length of the lists.")
    imbalances: list[float] = Field(description="(bids - asks)/(bids + asks) by size: 1 only bids, -1 only asks.")
    bid_sizes: list[float] = Field(description="Size of those bids, in the book's unit.")
    ask_sizes: list[float] = Field(description="Size of those asks, in the book's unit.")


class DepthImbalance(Result):
    """All orders within one distance of the mid."""

    depth_bps: float = Field(description="The distance, in basis points of the mid.")
    imbalance: float | None = Field(description="(bids - asks)/(bids + asks) of their sizes; null with a reason.")
    reason: str | None = Field(description="no_orders: neither side has any within the distance; else null.")
    bid_size: float = Field(description="Size of the bids, in the book's unit.")
    ask_size: float = Field(description="Size of the asks, in the book's unit.")
    bid_complete: bool = Field(description="Whether the bids given reach beyond the distance.")
    ask_complete: bool = Field(description="Whether the asks given reach beyond the distance.")


class Taking(Result):
    """What taking a size at once costs, fees not counted; costs are positive against the taker."""

    size: float = Field(description="The size asked about.")
    filled: float = Field(description="What the book can give of it.")
    levels: int = Field(description="Levels that are touched.")
    vwap: float | None = Field(description="Average price; null with a reason.")
    worst_price: float | None = Field(description="The last price touched; null with a reason.")
    slippage_bps: float | None = Field(description="Average price against the mid, in basis points.")
    from_best_bps: float | None = Field(description="Average price against the best of that side, in basis points.")
    impact_bps: float | None = Field(description="The last price against the mid, in basis points.")
    reason: str | None = Field(description="too_little_depth: the book ends before the size is filled; else null.")


class Imbalance(Result):
    """What the book says."""

    basis: Basis = Field(description="What it was made from; `count` is the levels of both sides.")
    mid: float = Field(description="Half the sum of the best prices.")
    spread_bps: float = Field(description="Best ask minus best bid, in basis points of the mid.")
    microprice: float = Field(description="The mid weighted by the opposite sizes of the best levels.")
    by_level: LevelImbalance = Field(description="Imbalance of the best 1, 2, 3 … levels.")
    by_depth: list[DepthImbalance] = Field(description="One for each distance asked for, in that order.")
    buy: Taking | None = Field(description="Buying `size`; null unless asked for.")
    sell: Taking | None = Field(description="Selling `size`; null unless asked for.")


IMBALANCE = Kernel("books", "orderbook_imbalance", Book, Imbalance, 1_000, lambda p: len(p.bids) + len(p.asks))


@method("common.orderbook_imbalance", cost=2, deadline=Deadline.ANALYTICS)
async def orderbook_imbalance(call: Call, params: Book) -> Imbalance:
    """Return imbalance by level and by depth, microprice, and the cost of a size.

    A crossed, locked or unsorted book is refused. Cont, Kukanov and Stoikov, Journal of Financial Econometrics 12(1),
    2014; microprice: Gatheral and Oomen, Finance and Stochastics 14, 2010.
    """
    return await call.use(Calculation).run(IMBALANCE, params)
