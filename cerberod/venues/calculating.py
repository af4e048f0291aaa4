"""Calculating with what a venue told: whose the mistake is when the arithmetic refuses a number."""

from typing import TypeVar

from cerberod.calculation.service import Calculation, Kernel
from cerberod.errors import BadVenueData, InvalidParams
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Params, Result

P = TypeVar("P", bound=Params)
R = TypeVar("R", bound=Result)


async def calculated(call: Call, venue: str, params: Params, kernel: Kernel[P, R], taken: P) -> R:
    """Calculate. What is refused is the caller's to mend only where the caller sent it, among the `params`."""
    try:
        return await call.use(Calculation).run(kernel, taken)
    except InvalidParams as refused:
        problem = refused.data["problems"][0]
        if problem["field"].partition(".")[0] in {"params", *type(params).model_fields}:
            raise
        raise BadVenueData(venue, problem["field"], problem["rule"]) from None
