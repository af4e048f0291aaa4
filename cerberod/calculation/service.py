"""Where a calculation runs, and what becomes of one that refuses its numbers.

What takes less than two milliseconds runs here, on the loop; everything else in the worker process. Which is which is
declared with each kernel, as a bound on the size of its input. The arithmetic is imported when first needed, beside the
loop: numpy costs a cold start more than the rest of the daemon.
"""

import gc
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

import anyio.to_thread
from anyio.lowlevel import checkpoint
from pydantic import BaseModel

from cerberod.calculation.worker import Worker
from cerberod.calculation.working import KERNELS
from cerberod.errors import AnalyticsRefused, InvalidParams
from cerberod.rpc.registry import Params, Result

P = TypeVar("P", bound=Params)
R = TypeVar("R", bound=Result)


def numbers_in(params: BaseModel) -> int:
    """Return how many values the lists of a call hold, those of rows counted field by field."""
    return sum(_count(value) for value in params.__dict__.values() if isinstance(value, list))


def _count(values: list[Any]) -> int:
    if not values:
        return 0
    first = values[0]
    if isinstance(first, BaseModel):
        return len(values) * len(type(first).model_fields)
    return sum(map(len, values)) if isinstance(first, list) else len(values)


@dataclass(frozen=True, slots=True)
class Kernel(Generic[P, R]):
    """A function of `kernels.<module>` that makes a result of params.

    It runs on the loop while `size` of its params is at most `inline`; 0 means never.
    """

    module: str
    function: str
    params: type[P]
    result: type[R]
    inline: int
    size: Callable[[P], int] = numbers_in


class CalculationFailed(Exception):
    """A kernel failed in the worker process; the text is its trace."""


class Calculation:
    """Runs kernels. One for the whole daemon: what it calculates belongs to no environment."""

    def __init__(self, worker: Worker, *, numbers_per_call: int) -> None:
        self.worker = worker
        self._numbers_per_call = numbers_per_call

    async def run(self, kernel: Kernel[P, R], params: P) -> R:
        """Return what a kernel makes of the params. What the arithmetic refuses is -32602, naming field and rule."""
        if numbers_in(params) > self._numbers_per_call:
            rule = f"must hold at most {self._numbers_per_call} numbers in all"
            raise InvalidParams([{"field": "params", "rule": rule}])
        try:
            if kernel.size(params) <= kernel.inline:
                found = await self._here(kernel, params)
            else:
                found = await self._there(kernel, params)
        except AnalyticsRefused as refusal:
            raise InvalidParams([{"field": refusal.field, "rule": refusal.rule}]) from None
        assert isinstance(found, kernel.result)
        return found

    async def _here(self, kernel: Kernel[P, R], params: P) -> object:
        name = f"{KERNELS}.{kernel.module}"
        module = sys.modules.get(name)
        if module is None or getattr(module, kernel.function, None) is None:  # absent, or still being imported
            module = await anyio.to_thread.run_sync(import_module, name)
            gc.freeze()  # numpy's objects stay: to look through them for garbage would hold the loop each time
        found: object = getattr(module, kernel.function)(params)
        return found

    async def _there(self, kernel: Kernel[P, R], params: P) -> object:
        # A call of the largest size takes the loop a few milliseconds to read, as many to pass on, and as many to tell:
        # others have their turn in between.
        await checkpoint()
        # As JSON, which is read there: a pickle of thousands of rows takes ten times as long to make.
        told = params.__pydantic_serializer__.to_json(params)
        job = pickle.dumps((kernel.module, kernel.function, kernel.params, told), pickle.HIGHEST_PROTOCOL)
        kind, found = pickle.loads(await self.worker.ask(job))
        await checkpoint()
        match kind:
            case "result":
                result: object = found
                return result
            case "refused":
                raise AnalyticsRefused(*found)
            case _:
                raise CalculationFailed(found)
