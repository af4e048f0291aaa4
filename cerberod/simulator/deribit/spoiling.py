"""What goes wrong between a request that was read and its answer, as the fault plan has it.

`serve` runs one request under one fault over a `Way`, which is a WebSocket connection or an HTTP request. What the
request means, and what has to be sent on the socket, are not its business.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol, assert_never

from cerberod.simulator.deribit.wire import MESSAGES, Answer, VenueError
from cerberod.simulator.faults import Fault, Verb
from cerberod.simulator.holding import Faults

GARBAGE: Final = b'{"jsonrpc":"2.0","id":<html>'
TOO_MANY_REQUESTS: Final = 10028


class Way(Protocol):
    """The way back to whoever sent a request."""

    async def answer(self, answer: Answer) -> None:
        """Send an answer."""

    async def garbage(self, data: bytes) -> None:
        """Send bytes in the place of an answer."""

    async def half(self, answer: Answer) -> None:
        """Send half of an answer, then cut the connection."""

    async def status(self, status: int) -> None:
        """Answer by an HTTP error."""

    async def later(self, send: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Send when the time has come, holding up no other request of the connection."""

    async def silence(self) -> None:
        """Say nothing on this connection ever again."""

    def cut(self) -> None:
        """End the connection as a broken network would."""

    def end(self) -> None:
        """End the connection once what was sent is out."""


Act = Callable[[], Awaitable[Answer | None]]
"""Carries the request out and writes its answer; None where the venue answers nothing."""
Refuse = Callable[[VenueError], Answer]
"""Writes the answer of a refusal, without carrying anything out."""


async def serve(fault: Fault | None, way: Way, act: Act, refuse: Refuse, faults: Faults) -> None:
    """Serve one request, as well or as badly as its fault says."""
    if fault is None:
        await _send(way, await act())
        return
    match fault.verb:
        case Verb.CUT_BEFORE:
            way.cut()
        case Verb.CUT_AFTER:
            await act()
            way.cut()
        case Verb.ANSWER_LATE:
            answer = await act()

            async def send() -> None:
                await faults.hold(fault.ms)
                await _send(way, answer)

            await way.later(send)
        case Verb.DROP_ANSWER:
            await act()
        case Verb.ANSWER_TWICE:
            answer = await act()
            await _send(way, answer)
            await _send(way, answer)
        case Verb.GARBAGE:
            await act()
            await way.garbage(GARBAGE)
        case Verb.HALF_ANSWER:
            answer = await act()
            if answer is not None:
                await way.half(answer)
        case Verb.ERROR:
            if fault.effect:
                await act()
            code = fault.code or 0
            await way.answer(refuse(VenueError(code, message=MESSAGES.get(code, "error"))))
        case Verb.STATUS:
            await way.status(fault.status or 500)
        case Verb.SILENCE:
            await way.silence()
        case Verb.RATE_LIMIT:
            await way.answer(refuse(VenueError(TOO_MANY_REQUESTS)))
            way.end()
        case Verb.REFUSE | Verb.CLOCK_OFFSET:  # not of a request that was read; the plan never picks them for one
            await _send(way, await act())
        case _:
            assert_never(fault.verb)


async def _send(way: Way, answer: Answer | None) -> None:
    if answer is not None:
        await way.answer(answer)
