"""A listed chain in columns, as it goes to the worker process, and the choices that several analytics share.

Whoever makes one has left out what cannot be used and says so; a row here has everything.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import Field

from cerberod.rpc.registry import Params

P = TypeVar("P", bound="OfListed")

DealerName = Literal["long_calls_short_puts", "short_calls_long_puts", "long_all", "short_all"]
DEALERS = (
    "Which options dealers are taken to hold, which no data tells; long_calls_short_puts is the usual assumption: "
    "calls count +, puts -."
)
SkewSign = Literal["call_minus_put", "put_minus_call"]
CALL_MINUS_PUT = "Sign of the skew: call_minus_put is positive when calls are dearer; put_minus_call is its negative."
PUT_MINUS_CALL = "Sign of the skew: put_minus_call is positive when puts are dearer; call_minus_put is its negative."
Interpolation = Literal["delta", "log_moneyness"]
INTERPOLATION = "What volatility is linear in between listed strikes: delta, or log_moneyness ln(K/F)."
Days = Annotated[float, Field(gt=0, le=3650)]
Tenors = Annotated[list[Days], Field(min_length=1, max_length=20)]


class ListedChain(Params):
    """Options of one underlying: a list item for each expiry, then one for each option.

    Times are milliseconds since 1970, prices quote currency, sizes units of the underlying.
    """

    as_of_ms: int
    spot: float
    names: list[str]
    """The expiries as the venue names them, soonest first."""
    expires_ms: list[int]
    forwards: list[float]
    """Forward of each expiry, which smiles are read against."""
    expiry: list[int]
    """Position of each option's expiry in `names`."""
    strike: list[float]
    is_call: list[bool]
    forward: list[float]
    """The option's own forward, as its row tells it."""
    iv_pct: list[float]
    open_interest: list[float]
    volume: list[float]


class OfListed(Params):
    """What is asked of a chain."""

    chain: ListedChain


def asked(kind: type[P], params: Params, chain: ListedChain) -> P:
    """Return what a kernel takes: the chain, and of the caller's params those that it knows."""
    return kind(chain=chain, **{name: getattr(params, name) for name in kind.model_fields if name != "chain"})


def options_in(params: OfListed) -> int:
    """Return how many options there are."""
    return len(params.chain.strike)
