"""One call as the methods of the simulated Bybit get it, and what all of them read alike."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cerberod.simulator.bybit.auth import Key
from cerberod.simulator.bybit.exchange import Exchange
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.params import Params
from cerberod.simulator.bybit.wire import PARAMETER, Reply, VenueError


@dataclass(frozen=True)
class Call:
    """A request that was signed (if it must be) and admitted."""

    exchange: Exchange
    params: Params
    key: Key
    units: int = 1
    """How many orders of a batch the rate limit let through."""


Method = Callable[[Call], "Reply | Awaitable[Reply]"]


def instrument_of(call: Call, category: str) -> Instrument:
    """Return the instrument a call names."""
    return listed(call.exchange, category, call.params.required("symbol"))


def listed(exchange: Exchange, category: str, symbol: str) -> Instrument:
    """Return an instrument, or refuse its name; spot has a code of its own."""
    found = exchange.catalogue.get(category, symbol)
    if found is None:
        raise VenueError(170121) if category == "spot" else VenueError(PARAMETER, "Not supported symbols")
    return found


def chosen(call: Call, category: str) -> list[Instrument]:
    """Return the instruments a call selects by symbol or base coin, all if by neither."""
    p = call.params
    if p.has("symbol"):
        return [listed(call.exchange, category, p.text("symbol"))]
    base = p.text("baseCoin")
    return [i for i in call.exchange.catalogue.live(category).values() if base in ("", i.base)]


Routes = Mapping[str, Method]
Record = dict[str, Any]
