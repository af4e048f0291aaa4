"""Identical reads in flight share one fetch.

Ten bots that ask for the same book in the same moment cost one request. Nothing is kept afterwards: this is no cache.
A waiter that gives up leaves the others their answer; when the last one gives up the fetch is cancelled.
"""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar, cast

import anyio
from anyio.abc import TaskGroup

from cerberod.errors import Code, RpcError

T = TypeVar("T")


class Coalescer:
    """Runs each distinct fetch once at a time, in a task group that outlives its callers."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._flights: dict[Hashable, _Flight[object]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def fetch(self, key: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return what `fetch` returns, or what one already under way with the same key returns or raises.

        The upstream work is charged to the call that started the flight. Raises `RpcError` (shutting down) when the
        task group ends before the answer came.
        """
        flight = cast("_Flight[T] | None", self._flights.get(key))
        if flight is None:
            flight = _Flight(fetch)
            self._flights[key] = cast("_Flight[object]", flight)
            self._group.start_soon(self._fly, key, flight)
        flight.waiters += 1
        try:
            await flight.landed.wait()
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.landed.is_set():
                self._forget(key, flight)
                flight.scope.cancel()
        if flight.error is not None:
            raise flight.error.with_traceback(None)
        if not flight.arrived:
            raise RpcError(Code.SHUTTING_DOWN)
        return cast(T, flight.result)

    async def _fly(self, key: Hashable, flight: "_Flight[T]") -> None:
        try:
            with flight.scope:
                flight.result = await flight.fetch()
                flight.arrived = True
        except Exception as error:  # handed to every waiter, each of which raises it
            flight.error = error
        finally:
            self._forget(key, flight)
            flight.landed.set()

    def _forget(self, key: Hashable, flight: "_Flight[T]") -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


class _Flight(Generic[T]):
    def __init__(self, fetch: Callable[[], Awaitable[T]]) -> None:
        self.fetch = fetch
        self.scope = anyio.CancelScope()
        self.landed = anyio.Event()
        self.waiters = 0
        self.arrived = False
        self.result: T | None = None
        self.error: Exception | None = None
