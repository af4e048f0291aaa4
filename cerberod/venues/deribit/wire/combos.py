"""Combos: the models callers get, and how they are read off Deribit's answers.

The signs of the legs are Deribit's own: what one combo bought does to each leg. They are never inferred from a name.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from cerberod.rpc.registry import Result
from cerberod.trading.money import Quantity
from cerberod.venues.deribit.wire.orders import Direction
from cerberod.venues.deribit.wire.reading import Fields
from cerberod.venues.reading import tidy


class ComboState(StrEnum):
    """Whether a combo's book takes orders; only `active` does."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


class ComboLeg(Result):
    """One leg of a combo."""

    instrument_name: str = Field(description="The leg's instrument.")
    amount: Quantity = Field(
        description="What buying 1 of the combo does to this leg: bought when above zero, sold when below."
    )


class Combo(Result):
    """One combo. Its id is the instrument name under which it trades."""

    combo_id: str = Field(description="Its id, which is also its instrument name.")
    state: ComboState = Field(description="Whether it trades; only `active` takes orders.")
    legs: list[ComboLeg] = Field(description="Its legs, in Deribit's order and signs.")
    created_at: datetime | None = Field(description="When it was made.")
    state_at: datetime | None = Field(description="Since when it has its state.")


def combo(row: Fields) -> Combo:
    """Read one combo. A leg of amount zero, or none at all, would make it another package."""
    legs = [_leg(leg) for leg in row.objects("legs")]
    if not legs:
        raise row.bad("legs", "at least one leg")
    return Combo(
        combo_id=row.text("id"),
        state=row.description("state", ComboState),
        legs=legs,
        created_at=row.moment_or_none("creation_timestamp"),
        state_at=row.moment_or_none("state_timestamp"),
    )


def _leg(row: Fields) -> ComboLeg:
    amount = row.decimal("amount")
    if not amount:
        raise row.bad("amount", "not zero")
    return ComboLeg(instrument_name=row.text("instrument_name"), amount=amount)


class LegPrice(Result):
    """What one leg of a package would trade at."""

    instrument_name: str = Field(description="The leg's instrument.")
    side: Direction = Field(description="`buy` or `sell`, as asked.")
    ratio: Quantity = Field(description="How many of this leg stand in one package.")
    price: Quantity = Field(description="The leg's price, in the unit of its instrument.")


class LegPrices(Result):
    """A package price split into its legs."""

    as_of: datetime = Field(description="When the venue answered, by its own stamp of the answer.")
    amount: Quantity = Field(description="How many packages the legs make.")
    price: Quantity = Field(
        description="What the legs add up to for one package: bought ones less sold ones; below zero it pays."
    )
    legs: list[LegPrice] = Field(description="The legs, in Deribit's order.")


def leg_prices(raw: object, as_of: datetime) -> LegPrices:
    """Read the answer of `private/get_leg_prices`."""
    fields = Fields(raw, "result")
    legs = [
        LegPrice(
            instrument_name=row.text("instrument_name"),
            side=row.word("direction", Direction),
            ratio=row.decimal("ratio"),
            price=row.figure("price"),
        )
        for row in fields.objects("legs")
    ]
    signed = ((leg.price if leg.side is Direction.BUY else -leg.price) * leg.ratio for leg in legs)
    return LegPrices(as_of=as_of, amount=fields.decimal("amount"), price=tidy(sum(signed, Decimal(0))), legs=legs)
