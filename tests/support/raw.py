"""Bytes on a socket, for what no well-behaved client sends."""

import base64
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
import orjson

KEY = base64.b64encode(b"0123456789abcdef").decode()


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, or nothing when the connection was closed without one."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


def parse(data: bytes) -> Answer:
    """Read an HTTP answer; status 0 when there is none."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/"):
        return Answer(0, {}, data)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, body)


async def exchange(port: int, request: bytes) -> Answer:
    """Send bytes, read until the other side closes, and return what it said."""
    with anyio.fail_after(60):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            with suppress(anyio.BrokenResourceError):  # refused before all was read; the answer may be here already
                await stream.send(request)
            return parse(await read_to_end(stream))


async def read_to_end(stream: anyio.abc.ByteReceiveStream) -> bytes:
    """Read until the other side closes, in whatever way."""
    received = b""
    try:
        while True:
            received += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return received


def request_head(target: str = "/", *lines: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """Return a request line and header lines, ended."""
    text = "\r\n".join([f"{method} {target} {version}", *lines, "", ""])
    return text.encode("utf-8", "surrogateescape")


def upgrade(*lines: str, target: str = "/", host: str | None = "localhost") -> bytes:
    """Return a WebSocket handshake with these header lines beside the necessary ones."""
    hosts = [] if host is None else [f"Host: {host}"]
    return request_head(
        target,
        *hosts,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
        *lines,
    )


def frame(payload: bytes, *, first: int = 0x81, masked: bool = True) -> bytes:
    """Return one WebSocket frame; `first` holds the flags and the opcode."""
    size = len(payload)
    mark = 0x80 if masked else 0
    if size < 126:
        head = bytes([first, mark | size])
    elif size < 1 << 16:
        head = bytes([first, mark | 126]) + struct.pack("!H", size)
    else:
        head = bytes([first, mark | 127]) + struct.pack("!Q", size)
    # A mask of zeros leaves the payload as it is.
    return head + (bytes(4) if masked else b"") + payload


def close_code(data: bytes) -> int | None:
    """Find the close frame among short frames of a server and return its code."""
    while len(data) >= 2:
        opcode, size = data[0] & 0x0F, data[1]
        if size == 126:
            size, data = struct.unpack("!H", data[2:4])[0], data[2:]
        if opcode == 8:
            return int(struct.unpack("!H", data[2:4])[0]) if size >= 2 else 1005
        data = data[2 + size :]
    return None
