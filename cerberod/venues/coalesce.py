"""Identical reads in flight share one fetch.

Ten bots that ask for the same book in the same moment cost one request. Nothing is kept afterwards: this is no cache.
The first who asks fetches, in its own task: most reads are asked by nobody else, and a task for each costs more than
the sharing. When the first gives up, one of those who wait asks anew.
"""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar, cast

import anyio

T = TypeVar("T")


class Coalescer:
    """Runs each distinct fetch once at a time."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[object]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def fetch(self, key: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return what `fetch` returns, or what one already under way with the same key returns or raises.

        The upstream work is charged to the call that fetches.
        """
        while (other := self._flights.get(key)) is not None:
            await other.landed.wait()
            if other.error is not None:
                raise other.error.with_traceback(None)
            if other.arrived:
                return cast(T, other.result)
        flight = _Flight[T]()
        self._flights[key] = cast("_Flight[object]", flight)
        try:
            flight.result = await fetch()
            flight.arrived = True
            return flight.result
        except Exception as error:
            flight.error = error  # every waiter raises it too
            raise
        finally:
            del self._flights[key]
            flight.landed.set()


class _Flight(Generic[T]):
    """A fetch under way. Landed with neither a result nor an error means that its caller gave up."""

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.arrived = False
        self.result: T | None = None
        self.error: Exception | None = None
