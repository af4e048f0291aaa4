"""The simulated Bybit without sockets: its real exchange and fault plan, a request at a time.

`link` stands where the client's own connections would. Requests and answers take their time on the way, and a request
that has left arrives even when its sender has died meanwhile.
"""

from collections.abc import Mapping
from random import Random  # noqa: TID251 - seeded
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from cerberod.errors import ConnectionLost, VenueDown
from cerberod.simulator.bybit.environment import Environment, Request
from cerberod.simulator.bybit.spoiling import GARBAGE
from cerberod.simulator.bybit.wire import TOO_MANY_VISITS, Answer, VenueError
from cerberod.simulator.faults import Fault, Verb
from cerberod.venues.http import HttpAnswer
from cerberod.venues.sending import Marked

_STALLS = 0.01
"""Which part of the requests and answers takes long."""
_STALL_S = 4.0
_UNREACHABLE = 0.5
"""Which part of the refused connections is refused before a byte could be written."""


class MemoryBybit:
    """One environment's listener, and the lines to it."""

    def __init__(self, environment: Environment, group: TaskGroup, seeded: Random, slowest_s: float) -> None:
        self.environment = environment
        self.group = group
        self.seeded = seeded
        self.slowest_s = slowest_s

    def link(self, venue: str, url: str) -> "MemoryLink":
        """Make what a client sends over."""
        return MemoryLink(venue, self)

    async def delay(self) -> None:
        """Take the time of one way."""
        longest_s = _STALL_S if self.seeded.random() < _STALLS else self.slowest_s
        await anyio.sleep(self.seeded.uniform(0, longest_s))

    async def serve(self, request: Request, exchange: "_Exchange") -> None:
        """Take a request, and carry it out as well or as badly as the fault plan says."""
        environment = self.environment
        await self.delay()
        environment.note(request)
        fault = environment.faults.plan.at_request(environment.name, request.path, http=True)
        answer = await self._carried_out(request, fault)
        await self.delay()
        exchange.settle(answer)

    async def _carried_out(self, request: Request, fault: Fault | None) -> HttpAnswer | None:
        """Return what comes back; None when the line is cut before all of it has."""
        environment = self.environment
        if fault is None:
            return _told(await environment.answer(request))
        match fault.verb:
            case Verb.CUT_BEFORE:
                return None
            case Verb.CUT_AFTER | Verb.HALF_ANSWER:
                await environment.answer(request)
                return None
            case Verb.ANSWER_LATE:
                answer = await environment.answer(request)
                await environment.faults.hold(fault.ms)
                return _told(answer)
            case Verb.DROP_ANSWER:
                await environment.answer(request)
                await environment.faults.hold(None)
                return None
            case Verb.GARBAGE:
                await environment.answer(request)
                return HttpAnswer(200, {}, GARBAGE)
            case Verb.ERROR:
                if fault.effect:
                    await environment.answer(request)
                return _told(environment.refuse(VenueError(fault.code or 0)))
            case Verb.STATUS:
                return HttpAnswer(fault.status or 500, {}, b"<html></html>")
            case Verb.SILENCE:
                await environment.faults.hold(None)
                return None
            case Verb.RATE_LIMIT:
                return _told(environment.refuse(VenueError(TOO_MANY_VISITS)))
            case Verb.ANSWER_TWICE | Verb.REFUSE | Verb.CLOCK_OFFSET:
                return _told(await environment.answer(request))
            case _:
                assert_never(fault.verb)


class _Exchange:
    """One request, and what came back."""

    def __init__(self) -> None:
        self.settled = anyio.Event()
        self.answer: HttpAnswer | None = None

    def settle(self, answer: HttpAnswer | None) -> None:
        self.answer = answer
        self.settled.set()


class MemoryLink:
    """What one client sends over, in place of `cerberod.venues.http.HttpLink`."""

    def __init__(self, venue: str, there: MemoryBybit) -> None:
        self._venue = venue
        self._there = there
        self._closed = False
        self._open: set[_Exchange] = set()

    async def aclose(self) -> None:
        """Close; requests under way end with `ConnectionLost`, and arrive."""
        self._closed = True
        for exchange in self._open:
            exchange.settle(None)

    async def exchange(
        self, method: str, path: str, query: str, body: bytes | None, headers: Mapping[str, str], sent: Marked
    ) -> HttpAnswer:
        """Send one request and return its answer."""
        there = self._there
        if self._closed:
            raise VenueDown(self._venue, "closed")
        await there.delay()
        if there.environment.faults.plan.at_connecting(there.environment.name, http=True) is not None:
            if there.seeded.random() < _UNREACHABLE:
                raise VenueDown(self._venue, "no_connection")
            sent.mark()
            raise ConnectionLost(self._venue)
        sent.mark()
        exchange = _Exchange()
        request = Request(method, path, query.encode(), body or b"", headers, "127.0.0.1")
        there.group.start_soon(there.serve, request, exchange)
        self._open.add(exchange)
        try:
            await exchange.settled.wait()
        finally:
            self._open.discard(exchange)
        if exchange.answer is None:
            raise ConnectionLost(self._venue)
        return exchange.answer


def _told(answer: Answer) -> HttpAnswer:
    return HttpAnswer(answer.status, answer.headers, answer.body)
