"""private/get_leg_prices: what a package's price means for its legs."""

from decimal import Decimal
from typing import Any, Final

from cerberod.simulator.deribit.combo_methods import asked_legs
from cerberod.simulator.deribit.combos import reduced
from cerberod.simulator.deribit.packages import leg_prices, step_of
from cerberod.simulator.deribit.public import Call, Method
from cerberod.simulator.deribit.terms import contract_of
from cerberod.simulator.deribit.wire import invalid


def get_leg_prices(call: Call) -> dict[str, Any]:
    """Split a package price over its legs, near their marks."""
    asked = asked_legs(call, "legs")
    price = call.params.number("price")
    if price is None:
        raise invalid("price", "value required")
    ratios, amount = reduced([leg.signed for leg in asked])
    marks = [Decimal(repr(round(call.exchange.quotes.mark(leg.instrument).price, 8))) for leg in asked]
    tick = min(leg.instrument.grid.fine for leg in asked)
    prices = leg_prices(ratios, marks, price, step_of([contract_of(leg.instrument) for leg in asked], tick))
    return {
        "amount": float(amount),
        "legs": [
            {
                "instrument_name": leg.instrument.name,
                "direction": leg.side.value,
                "price": float(leg_price),
                "ratio": abs(ratio),
            }
            for leg, leg_price, ratio in zip(asked, prices, ratios, strict=True)
        ],
    }


READS: Final[dict[str, Method]] = {"private/get_leg_prices": get_leg_prices}
