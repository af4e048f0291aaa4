"""Fields that several of the methods share, and what every result tells of its inputs."""

from typing import Annotated

from pydantic import Field

from cerberod.calculation.methods import examples
from cerberod.rpc.registry import Params, Result

MOST_POINTS = 10_000

Series = Annotated[list[float], Field(min_length=1, max_length=MOST_POINTS)]
Period = Annotated[int, Field(ge=1, le=MOST_POINTS)]
PeriodsPerYear = Annotated[float, Field(ge=0.1, le=1e9)]

OPEN = "Opening prices, oldest first, as many as `close`; each within its bar's low and high."
HIGH = "Highest prices of the bars, oldest first, as many as `close`."
LOW = "Lowest prices of the bars, oldest first, as many as `close`; above 0."
CLOSE = "Closing prices, oldest first, evenly spaced; finite and above 0."
PERIODS_PER_YEAR = (
    "Bars in a year, which annualises: 365 for days of a market that never closes, 252 for days of a stock exchange, "
    "8760 for hours."
)


class Basis(Result):
    """What a result was made from, so that a stranger can recompute it."""

    count: int = Field(description="How many points, rows, levels or legs went in; the length of each series.")
    parameters: dict[str, bool | int | float | str | None] = Field(
        description="Every parameter that is not a list, defaults included."
    )
    convention: str = Field(description="Definitions, units and signs that the numbers follow.")


class Gap(Result):
    """A run of positions without a value."""

    first: int = Field(description="Position of the first null of the run, counted from 0.")
    last: int = Field(description="Position of the last null of the run.")
    reason: str = Field(description="Why: warm_up, no_movement (0/0 while nothing moved) or no_volume.")


class Values(Result):
    """A line of as many values as there are bars."""

    values: list[float | None] = Field(description="One for each bar, oldest first; null where it is not defined.")
    gaps: list[Gap] = Field(description="Where the nulls are, and why; empty when there are none.")


class OfClose(Params):
    """A series of closes."""

    close: Series = Field(description=CLOSE, examples=[examples.CLOSE])


class OfBars(OfClose):
    """Bars without their opens."""

    high: Series = Field(description=HIGH, examples=[examples.HIGH])
    low: Series = Field(description=LOW, examples=[examples.LOW])
