"""Series of market data: the models callers get, and how they are read off Deribit's answers.

Fields keep the venue's names. Rows are told by their time, so that pages can be joined without repeats.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.rpc.registry import Result
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.wire.reading import Fields, rows

_FAR_MS = 32_503_708_800_000


class FundingHour(Result):
    """The funding of one hour of a perpetual. Rates are fractions of the position; above zero longs pay shorts."""

    at: datetime = Field(description="The end of the hour, the venue's time.")
    interest_1h: float = Field(description="The rate that this hour really paid.")
    interest_8h: float = Field(description="The rate of the 8 hours up to here.")
    index_price: float | None = Field(description="The index at the end of the hour.")
    prev_index_price: float | None = Field(description="The index at its beginning.")


def funding_hours(raw: object) -> list[FundingHour]:
    """Read the answer of `public/get_funding_rate_history`."""
    return [
        FundingHour(
            at=row.moment("timestamp"),
            interest_1h=row.number("interest_1h"),
            interest_8h=row.number("interest_8h"),
            index_price=row.quoted("index_price"),
            prev_index_price=row.quoted("prev_index_price"),
        )
        for row in rows(raw, "result")
    ]


def funding_value(raw: object) -> float:
    """Read the answer of `public/get_funding_rate_value`."""
    if type(raw) is not float and type(raw) is not int:
        raise BadVenueData(VENUE, "result", "a number")
    return float(raw)


class VolatilityPoint(Result):
    """Realised volatility as Deribit computes it."""

    at: datetime = Field(description="The venue's time of the value.")
    volatility_pct: float = Field(description="Realised volatility, percent a year.")


def volatility_points(raw: object) -> list[VolatilityPoint]:
    """Read the answer of `public/get_historical_volatility`, oldest first; a time that comes twice counts once."""
    if not isinstance(raw, list):
        raise BadVenueData(VENUE, "result", "a list")
    found: dict[int, float] = {}
    for number, pair in enumerate(raw):
        told = isinstance(pair, list) and len(pair) == 2
        if not told or type(pair[0]) is not int or not 0 <= pair[0] <= _FAR_MS or type(pair[1]) not in (int, float):
            raise BadVenueData(VENUE, f"result[{number}]", "a pair of a time and a number")
        found[pair[0]] = float(pair[1])
    return [VolatilityPoint(at=from_ms(at), volatility_pct=found[at]) for at in sorted(found)]


class SettlementType(StrEnum):
    """What was settled."""

    SETTLEMENT = "settlement"
    DELIVERY = "delivery"
    BANKRUPTCY = "bankruptcy"
    UNKNOWN = "unknown"


class Settlement(Result):
    """One settlement of all positions in an instrument. Amounts are in the settlement currency."""

    at: datetime = Field(description="When it was settled, the venue's time.")
    type: SettlementType = Field(
        description="`settlement` of the day, `delivery` at expiry, `bankruptcy`; `unknown` for a type new to us."
    )
    instrument_name: str | None = Field(description="The instrument; null for a bankruptcy.")
    index_price: float | None = Field(description="The index at that time; of a delivery the price of the delivery.")
    mark_price: float | None = Field(description="The mark price it was settled at.")
    position: float | None = Field(
        description="Size of all positions, as Deribit publishes it: USD for inverse futures, else base coin."
    )
    profit_loss: float | None = Field(description="Profit and loss of the instrument.")
    session_profit_loss: float | None = Field(description="Profit and loss of the session that ended.")
    session_bankruptcy: float | None = Field(description="Value of the session's bankruptcies; else null.")
    session_tax: float | None = Field(description="What bankruptcies cost the winners of the session; else null.")
    funding: float | None = Field(description="Funding of the session of a perpetual; else null.")


_SETTLED = (
    "index_price",
    "mark_price",
    "position",
    "profit_loss",
    "session_profit_loss",
    "session_bankruptcy",
    "session_tax",
    "funding",
)


def settlement(row: Fields) -> Settlement:
    """Read one settlement."""
    return Settlement(
        at=row.moment("timestamp"),
        type=row.description("type", SettlementType),
        instrument_name=row.text_or_none("instrument_name"),
        **{name: row.number_or_none(name) for name in _SETTLED},
    )


def continuation(fields: Fields) -> str | None:
    """Read a continuation, a number or text; None where nothing follows."""
    value = fields.get("continuation")
    if value is None or value in ("", "none"):
        return None
    return str(value) if type(value) is int else fields.text("continuation")
