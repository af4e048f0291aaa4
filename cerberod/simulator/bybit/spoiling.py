"""What goes wrong between a request that was read and its answer, as the fault plan has it, over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Final, assert_never

from aiohttp import web

from cerberod.simulator.bybit.wire import TOO_MANY_VISITS, Answer, VenueError
from cerberod.simulator.faults import Fault, Verb
from cerberod.simulator.holding import Faults

GARBAGE: Final = b'{"retCode":0,"retMsg":<html>'


def told(answer: Answer) -> web.Response:
    """Return an answer as HTTP."""
    kind = "application/json" if answer.status == 200 else "text/plain"
    return web.Response(body=answer.body, status=answer.status, headers=answer.headers, content_type=kind)


def status_page(status: int) -> web.Response:
    """Return what stands in front of the venue says when the venue does not answer."""
    text = f"<html><title>{status}</title></html>"
    return web.Response(text=text, status=status, content_type="text/html")


def cut(request: web.Request) -> web.Response:
    """End the connection as a broken network would."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def serve(
    fault: Fault | None,
    request: web.Request,
    act: Callable[[], Awaitable[Answer]],
    refuse: Callable[[VenueError], Answer],
    faults: Faults,
) -> web.StreamResponse:
    """Serve one request, as well or as badly as its fault says."""
    if fault is None:
        return told(await act())
    match fault.verb:
        case Verb.CUT_BEFORE:
            return cut(request)
        case Verb.CUT_AFTER:
            await act()
            return cut(request)
        case Verb.ANSWER_LATE:
            answer = await act()
            await faults.hold(fault.ms)
            return told(answer)
        case Verb.DROP_ANSWER:
            await act()
            await faults.hold(None)
            return cut(request)
        case Verb.GARBAGE:
            await act()
            return web.Response(body=GARBAGE, content_type="application/json")
        case Verb.HALF_ANSWER:
            return await _half(request, await act())
        case Verb.ERROR:
            if fault.effect:
                await act()
            return told(refuse(VenueError(fault.code or 0)))
        case Verb.STATUS:
            return status_page(fault.status or 500)
        case Verb.SILENCE:
            await faults.hold(None)
            return cut(request)
        case Verb.RATE_LIMIT:
            return told(refuse(VenueError(TOO_MANY_VISITS)))
        case (
            Verb.ANSWER_TWICE | Verb.REFUSE | Verb.CLOCK_OFFSET
        ):  # HTTP has room for one answer; the rest is no request's
            return told(await act())
        case _:
            assert_never(fault.verb)


async def _half(request: web.Request, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
