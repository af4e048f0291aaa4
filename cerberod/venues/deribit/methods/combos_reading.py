"""Reading combos of Deribit: which there are, what they are made of, and what their legs would cost."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from cerberod.errors import BadVenueData
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Params, Result, method
from cerberod.trading.money import Amount, Quantity
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.legs import parse_legs
from cerberod.venues.deribit.methods.words import CURRENCY, INSTRUMENT_NAME, CurrencyOrAny, InstrumentName
from cerberod.venues.deribit.wire import combos as wire
from cerberod.venues.deribit.wire.combos import Combo, LegPrices
from cerberod.venues.deribit.wire.reading import Fields, rows
from cerberod.venues.paging import in_pieces

AS_OF = "When the venue answered, by its own stamp of the answer; what it tells of may be older."

ComboId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"), Field(examples=["BTC-CS-25DEC26-90000_100000"])
]


class GetCombos(Params):
    """Which combos."""

    currency: CurrencyOrAny = Field(description=CURRENCY + " `any` for all of them.")
    state: Literal["active", "inactive"] | None = Field(default=None, description="Only these; all when left out.")


class Combos(Result):
    """Combos that exist."""

    as_of: datetime = Field(description=AS_OF)
    count: int = Field(description="How many there are.")
    combos: list[Combo] = Field(description="The combos, in the venue's order; empty when there are none.")


@method("deribit.get_combos")
async def get_combos(call: Call, params: GetCombos) -> Combos:
    """List the combos of a currency with their legs.

    Anybody's combos are listed; one is made when first asked for, and switched off when nobody trades it. Prices are in
    `get_orderbook`, with the combo's id as `instrument_name`.
    """
    answer = await call.use(Deribit).read("public/get_combos", {"currency": params.currency})
    found = await in_pieces(rows(answer.result, "result"), wire.combo)
    if params.state is not None:
        found = [each for each in found if each.state.value == params.state]
    return Combos(as_of=answer.stamp(), count=len(found), combos=found)


class GetComboDetails(Params):
    """Which combo."""

    combo_id: ComboId = Field(description="Its id, for example BTC-CS-25DEC26-90000_100000.")


class ComboDetails(Result):
    """One combo."""

    as_of: datetime = Field(description=AS_OF)
    combo: Combo = Field(description="The combo.")


@method("deribit.get_combo_details")
async def get_combo_details(call: Call, params: GetComboDetails) -> ComboDetails:
    """Return one combo with its legs and state.

    The signs of the legs say what buying it does; they cannot be told from its name. An unknown one is error -32025.
    """
    answer = await call.use(Deribit).read("public/get_combo_details", params.model_dump())
    found = wire.combo(Fields(answer.result, "result"))
    if found.combo_id != params.combo_id:
        raise BadVenueData(VENUE, "result.id", "the combo that was asked for")
    return ComboDetails(as_of=answer.stamp(), combo=found)


class Leg(Params):
    """One leg of a package, in the caller's sense."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    side: Literal["buy", "sell"] = Field(description="What the package does with this leg.")
    amount: Amount = Field(description="Size: USD for inverse futures, else base coin; only the ratio of legs matters.")


class GetLegPrices(Params):
    """A package and its price."""

    legs: list[Leg] = Field(
        min_length=2,
        max_length=20,
        description="The legs, each instrument once.",
        examples=[
            [
                {"instrument_name": "BTC-25DEC26", "side": "buy", "amount": "10"},
                {"instrument_name": "BTC-PERPETUAL", "side": "sell", "amount": "10"},
            ]
        ],
    )
    price: Quantity = Field(
        description="Price of one package: what bought legs cost less what sold legs bring; may be zero or below."
    )

    @field_validator("legs")
    @classmethod
    def _once(cls, legs: list[Leg]) -> list[Leg]:
        if len({leg.instrument_name for leg in legs}) < len(legs):
            raise PydanticCustomError("legs", "each instrument once")
        return legs


@method("deribit.get_leg_prices")
async def get_leg_prices(call: Call, params: GetLegPrices) -> LegPrices:
    """Split a package price into prices of its legs, as Deribit would book them.

    Deribit starts from the mark prices. `price` of the answer is what the split legs add up to again. The legs are of
    one underlying and settlement: prices in different coins are no sum. Needs keys.
    """
    parse_legs([leg.instrument_name for leg in params.legs])
    legs = [
        {"instrument_name": leg.instrument_name, "direction": leg.side, "amount": leg.amount} for leg in params.legs
    ]
    answer = await call.use(Deribit).read("private/get_leg_prices", {"legs": legs, "price": params.price})
    return wire.leg_prices(answer.result, answer.stamp())
