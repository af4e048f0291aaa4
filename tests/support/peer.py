"""A WebSocket server that answers one connection after the other as a test tells it to."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import orjson
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve


class Peer:
    """Listens on a free port of this machine for the length of a block."""

    def __init__(self) -> None:
        self.say: Callable[[ServerConnection, dict[str, Any]], None] = lambda connection, request: None
        """What happens when a request comes."""
        self.refuse: tuple[int, bytes] | None = None
        """The HTTP answer to a handshake, instead of a session."""
        self.requests: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self._server: Server = serve(self._talk, "127.0.0.1", 0, process_request=self._judge, compression=None)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()

    def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        self.headers = dict(request.headers.raw_items())
        if self.refuse is None:
            return None
        status, body = self.refuse
        headers = Headers({"Connection": "close", "Content-Length": str(len(body))})
        return Response(status, HTTPStatus(status).phrase, headers, body)

    def _talk(self, connection: ServerConnection) -> None:
        try:
            for frame in connection:
                self.requests.append(orjson.loads(frame))
                self.say(connection, self.requests[-1])
        except ConnectionClosed:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
