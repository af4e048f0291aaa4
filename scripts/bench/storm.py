"""A hundred bad clients at once, on raw sockets; a process of its own, told its job as one line of JSON on stdin.

It tells when the storm is up, goes on until told to stop, and then tells how much it sent.
"""

import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import orjson

from scripts.bench.wire import PING, handshake, text_frame

_CHUNK = 1 << 18
_UP_S = 1.0
_HANDSHAKE_S = 5.0
_AGAIN_S = 0.05
"""How long a client that was thrown out waits before it is back."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How one kind of bad client behaves."""

    name: str
    share: int
    """How many of a hundred."""
    data: bytes
    """Sent over and over."""
    reads: bool = True
    opens: bool = True
    """Finishes its handshake."""
    stays: bool = True
    """Else it leaves with its first answer, and is back at once."""


def _call(method: str) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method}


MANNERS = (
    Manner("flood of calls", 20, text_frame(orjson.dumps(_call("session.ping"))) * 100),
    Manner("batches of 10 000", 10, text_frame(orjson.dumps([_call("session.ping")] * 10_000))),
    Manner("lists in a megabyte", 10, text_frame(b"[" + b"[]," * 349_000 + b"[]]")),
    Manner("garbage", 15, text_frame(b"{not json at all" * 8) * 20),
    Manner("never reads", 15, text_frame(orjson.dumps(_call("rpc.discover"))) * 20, reads=False),
    Manner("flood of control frames", 10, text_frame(b"", PING) * 1000),
    Manner("comes and goes", 10, text_frame(orjson.dumps(_call("session.ping"))), stays=False),
    Manner("half a handshake", 10, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n", opens=False),
)


@dataclass(slots=True, eq=False)
class Bad:
    """One bad client."""

    manner: Manner
    socket: socket.socket
    rest: memoryview


class Storm:
    """All of them, kept up until the end: who is thrown out comes back."""

    def __init__(self, port: int, headers: Mapping[str, str], clients: int, kinds: Sequence[str]) -> None:
        self.sent_bytes: Counter[str] = Counter()
        self.came_back: Counter[str] = Counter()
        self._port = port
        self._hello = handshake(headers)
        self._poll = select.epoll()
        self._clients: dict[int, Bad] = {}
        self._back: list[tuple[float, Manner]] = []
        for manner in MANNERS:
            for _ in range(manner.share * clients // 100 if manner.name in kinds else 0):
                self._back.append((0.0, manner))

    def _come(self, manner: Manner) -> None:
        connection = socket.create_connection(("127.0.0.1", self._port))
        if manner.opens:
            connection.settimeout(_HANDSHAKE_S)
            connection.sendall(self._hello)
            if not connection.recv(_CHUNK).startswith(b"HTTP/1.1 101 "):
                connection.close()
                raise ConnectionRefusedError
        connection.setblocking(False)
        self._clients[connection.fileno()] = Bad(manner, connection, memoryview(manner.data))
        events = select.EPOLLOUT | (select.EPOLLIN if manner.reads else 0)
        self._poll.register(connection.fileno(), events)

    def turn(self) -> None:
        """Do for each client what it can do now."""
        for descriptor, events in self._poll.poll(0.05, 200):
            client = self._clients[descriptor]
            try:
                if events & select.EPOLLIN and not (client.socket.recv(_CHUNK) and client.manner.stays):
                    raise ConnectionResetError
                if events & select.EPOLLOUT:
                    self._send(client)
                if events & (select.EPOLLHUP | select.EPOLLERR):
                    raise ConnectionResetError
            except BlockingIOError:
                continue
            except OSError:
                self._lose(client)
        now = time.monotonic()
        for due, manner in [entry for entry in self._back if entry[0] <= now]:
            self._back.remove((due, manner))
            try:
                self._come(manner)
            except OSError:
                self._back.append((now + _AGAIN_S, manner))

    def _send(self, client: Bad) -> None:
        count = client.socket.send(client.rest)
        self.sent_bytes[client.manner.name] += count
        client.rest = client.rest[count:]
        if client.rest:
            return
        client.rest = memoryview(client.manner.data)
        if not client.manner.opens:  # said its half, and now only waits to be thrown out
            self._poll.modify(client.socket.fileno(), select.EPOLLIN)

    def _lose(self, client: Bad) -> None:
        self.came_back[client.manner.name] += 1
        del self._clients[client.socket.fileno()]
        self._poll.unregister(client.socket.fileno())
        client.socket.close()
        self._back.append((time.monotonic() + _AGAIN_S, client.manner))


def main() -> None:
    job = orjson.loads(sys.stdin.readline())
    storm = Storm(job["port"], job["headers"], job["clients"], job["kinds"])
    up = time.monotonic() + _UP_S
    while time.monotonic() < up:
        storm.turn()
    _tell({"up": True})
    while not select.select([sys.stdin], [], [], 0)[0]:
        storm.turn()
    with suppress(BrokenPipeError):
        _tell({"sent_bytes": storm.sent_bytes, "came_back": storm.came_back})


def _tell(figures: Mapping[str, object]) -> None:
    sys.stdout.buffer.write(orjson.dumps(figures) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
