"""The same tool as a FastAPI service on uvicorn, httptools and uvloop, called over keep-alive HTTP.

It does what the daemon does for a ping: bearer token and bot tag checked, params validated by a strict pydantic model,
result by another, and one line for each call in the very same request log. Middleware is plain ASGI, uvicorn's own
access log is off, and no pages of documentation are served.
"""

import hmac
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict

from cerberod.clock import SystemClock
from cerberod.logs import CallerLog, RequestLog, setup_logging

TOKEN = sys.argv[1].encode() if len(sys.argv) > 1 else b""
_UNAUTHORIZED, _BAD_REQUEST = 401, 400


class NoParams(BaseModel):
    """The params of a ping."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Pong(BaseModel):
    """The answer to a ping."""

    server_time: datetime


async def authenticated(authorization: Annotated[str, Header()] = "", x_bot_tag: Annotated[str, Header()] = "") -> None:
    """Let in who shows the token and a tag."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), TOKEN):
        raise HTTPException(_UNAUTHORIZED)
    if not (x_bot_tag.isascii() and x_bot_tag.isprintable() and 0 < len(x_bot_tag) <= 64):
        raise HTTPException(_BAD_REQUEST)


async def ping(params: NoParams) -> Pong:
    """Answer at once, with the time."""
    return Pong(server_time=datetime.now(UTC))  # noqa: TID251 - a rival has no clock of ours


class Logged:
    """Writes the request log around the application."""

    def __init__(self, app: Any, log: CallerLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._app(scope, receive, watched)
        code = 0 if status < _BAD_REQUEST else status
        self._log.write("r-" + secrets.token_hex(8), scope["path"][1:], code, (time.monotonic() - started) * 1000)


def main() -> None:
    sink = setup_logging()
    log = RequestLog(sink, SystemClock()).for_caller(
        transport="http", actor="testnet", bot_tag="bench", session_id="", client_ip="127.0.0.1", user_agent="load"
    )
    app = FastAPI(openapi_url=None)
    app.add_api_route(
        "/session.ping", ping, methods=["POST"], response_model=Pong, dependencies=[Depends(authenticated)]
    )
    server = _Announcing(
        uvicorn.Config(
            Logged(app, log),
            host="127.0.0.1",
            port=0,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
    )
    server.run()
    sink.close()


class _Announcing(uvicorn.Server):  # type: ignore[misc]  # uvicorn is not among the tools of the tests
    """Tells the port once it listens."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        sys.stderr.buffer.write(orjson.dumps({"event": "ready", "port": port}) + b"\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
