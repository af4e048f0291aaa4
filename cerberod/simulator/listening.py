"""Opening and closing an aiohttp listener inside a context, for every server of the simulator."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from aiohttp import web

_STOP_S = 1.0


@web.middleware
async def _let_go(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let whoever is gone before its answer go: that is no error here, which would be told with its trace."""
    try:
        return await handler(request)
    except ConnectionError:
        return web.Response()


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve `app` until the context ends; yield the port (port 0 asks for a free one)."""
    app.middlewares.append(_let_go)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_STOP_S)
    await runner.setup()
    try:
        listener = socket.create_server((host, port), backlog=256)
        listener.setblocking(False)
        await web.SockSite(runner, listener).start()  # from here on the site owns the socket
        yield listener.getsockname()[1]
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()
