"""The least a client must know to load a server: frames made beforehand, answers cut off the stream. Pure.

No client library stands in between, so that the load costs a fraction of what the servers do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

_MASK = b"\x37\xfa\x21\x3d"
PING = 9
_TEXT, _CLOSE, _PONG = 1, 8, 10


class Wire(StrEnum):
    """How calls travel."""

    WEBSOCKET = "websocket"
    HTTP = "http"


class BadAnswer(Exception):
    """A server that does not answer as it should; its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One call, ready to be sent, and what its answer holds."""

    data: bytes
    expected: bytes


def handshake(headers: Mapping[str, str]) -> bytes:
    """Return the request that opens a WebSocket."""
    lines = [
        "GET / HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIGxvYWQgZ2VuZXJhdA==",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def text_frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """Return one masked frame, as clients send them."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 1 << 16:
        head = bytes([0x80 | opcode, 0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 0x80 | 127]) + size.to_bytes(8, "big")
    mask = (_MASK * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
    return head + _MASK + masked


def ask(wire: Wire, headers: Mapping[str, str], method: str, params: Mapping[str, Any], id: int) -> Ask:
    """Prepare one call."""
    match wire:
        case Wire.WEBSOCKET:
            body: dict[str, Any] = {"jsonrpc": "2.0", "id": id, "method": method}
            if params:
                body["params"] = params
            return Ask(text_frame(orjson.dumps(body)), b'{"jsonrpc":"2.0","id":%d,"result":' % id)
        case Wire.HTTP:
            payload = orjson.dumps(params)
            lines = [
                f"POST /{method} HTTP/1.1",
                "Host: 127.0.0.1",
                "Content-Type: application/json",
                f"Content-Length: {len(payload)}",
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
            return Ask("\r\n".join(lines).encode() + b"\r\n\r\n" + payload, b"HTTP/1.1 200 ")


class Answers:
    """Cuts one connection's stream into answers."""

    def __init__(self, wire: Wire) -> None:
        self.pongs: list[bytes] = []
        """Frames owed to the server's pings."""
        self._cut = self._frames if wire is Wire.WEBSOCKET else self._responses
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the answers that are complete now; keep the rest."""
        return self._cut(self._rest + data if self._rest else data)

    def _frames(self, data: bytes) -> Iterator[bytes]:
        at, end = 0, len(data)
        while end - at >= 2:
            size, head = data[at + 1], 2
            if size >= 126:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[at + 2 : at + head], "big")
            if end - at < head + size:
                break
            opcode, payload = data[at] & 0x0F, data[at + head : at + head + size]
            at += head + size
            if opcode == _TEXT:
                yield payload
            elif opcode == PING:
                self.pongs.append(text_frame(payload, _PONG))
            elif opcode == _CLOSE:
                raise BadAnswer(f"closed with {int.from_bytes(payload[:2], 'big')}")
        self._rest = data[at:]

    def _responses(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while (body := data.find(b"\r\n\r\n", at) + 4) > 3:
            length = data.lower().find(b"content-length:", at, body)
            if length < 0:
                raise BadAnswer("a response without Content-Length")
            end = body + int(data[length + 15 : data.index(b"\r\n", length)])
            if len(data) < end:
                break
            yield data[at:end]
            at = end
        self._rest = data[at:]
