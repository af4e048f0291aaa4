"""Listeners of the simulator and callers that do not wait for their answers."""

import logging

import anyio
import pytest
from aiohttp import web

from cerberod.simulator.listening import listening
from tests.support.raw import upgrade
from tests.support.turns import until


async def test_who_is_gone_before_its_handshake_is_answered_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    arrived, failed = anyio.Event(), anyio.Event()

    async def answer_too_late(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await until(lambda: request.transport is None or request.transport.is_closing())
        websocket = web.WebSocketResponse()
        try:
            await websocket.prepare(request)
        except ConnectionError:
            failed.set()
            raise
        return websocket

    app = web.Application()
    app.router.add_get("/", answer_too_late)
    with caplog.at_level(logging.WARNING):
        async with listening(app, "127.0.0.1", 0) as port:
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(upgrade())
                await arrived.wait()
            with anyio.fail_after(60):
                await failed.wait()
    assert caplog.records == []
