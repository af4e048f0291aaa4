"""One WebSocket connection as its listener wants it: never read faster than others get their turn.

The library parses all frames of whatever it is fed in one go. Here it is fed in pieces, one piece of one connection in
each turn of the loop, and a connection is not read while a piece of it waits: floods of tiny frames, of pings and of
newcomers share the loop with each other and leave it to those who ask one thing at a time. These go past the line, and
past the library too where one small message is all there is (`frames`).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import anyio
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.protocol import Event, State

from cerberod.rpc.conversation import Conversation
from cerberod.transport.frames import text_frame, whole_text
from cerberod.transport.turns import Turns

WRITE_BUFFER = 64 * 1024
MAX_PONGS = 1 << 20
PIECE = 1024
"""Bytes that are parsed in one turn. Of a peer that sends few frames in so many, more and more, up to the most."""
MOST = 64 * PIECE
FEW = 8
SMALL = 4096
"""A frame up to this size goes past the line, if it comes alone."""
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Watch:
    """What a listener wants to hear of its connections, and the lines they stand in."""

    opened: Callable[[ServerConnection], None]
    settled: Callable[[ServerConnection], None]
    """The request has arrived, or what came is none."""
    ended: Callable[[ServerConnection], None]
    flooded: Callable[[ServerConnection], None]
    """It pinged and did not take the pongs, and is dropped."""
    newcomers: Turns
    turns: Turns


class PeerConnection(ServerConnection):
    """A connection that tells its listener when it opens, when its request has arrived, and when it is gone.

    What a peer sends behind its request before it was let in is held back: the library would take it for frames of an
    open session and stumble. Reading pauses meanwhile, so that no more than one chunk is held.
    """

    def __init__(self, watch: Watch, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.taken = 0
        """Messages of the peer that the conversation has taken."""
        self._watch = watch
        self._conversation: Conversation | None = None
        self._held = b""
        """What was read and not yet parsed: it waits for its turn, or to be let in."""
        self._in_line = False
        self._piece = PIECE
        self._frames = 0
        self._pongs = 0
        """Bytes of answers to pings that the peer has not taken."""
        self._tail = b""
        self._judged = False

    # Reading

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.recv_messages.resume = self._read_on
        self._watch.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._judged:
            super().data_received(data)
        elif self._conversation is None:
            self._hold(data)
        elif self._quiet:
            text = whole_text(data, SMALL)
            if text is not None and self._conversation.take_now(text):
                self.taken += 1
            else:
                self._hold(data)
        else:
            self._hold(data)

    @property
    def _quiet(self) -> bool:
        """Whether nothing of the peer is before what it sends now: no bytes, no frames, no part of a message."""
        protocol = self.protocol
        return not (
            self._held
            or protocol.reader.buffer
            or protocol.current_size is not None
            or len(self.recv_messages.frames)
            or protocol.state is not State.OPEN
        )

    def _hold(self, data: bytes) -> None:
        """Keep what was read until its turn, and read no more meanwhile."""
        self._held += data
        self.transport.pause_reading()
        self._join()

    def _join(self) -> None:
        if not self._in_line:
            self._in_line = True
            line = self._watch.newcomers if self._conversation is None else self._watch.turns
            line.join(self._take_turn)

    def _read_on(self) -> None:
        """Go on after a pause. The library asks for it when the frames it was fed have been taken."""
        if self._held:
            self._join()
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def _take_turn(self) -> None:
        self._in_line = False
        if self.transport.is_closing():
            self._held = b""
        elif self._conversation is not None:
            self._feed(self._piece)
        elif self.request is None:
            self._feed_head()
        # else: what came behind a request waits until its sender is let in

    def _feed(self, size: int) -> None:
        """Have the library parse so many bytes of what is held."""
        piece, self._held = self._held[:size], self._held[size:]
        self._frames, unsent = 0, self.transport.get_write_buffer_size()
        super().data_received(piece)
        self._bound_pongs(unsent)
        self._piece = PIECE if self._frames > FEW else min(2 * self._piece, MOST)
        if not self.recv_messages.paused:
            self._read_on()

    def _feed_head(self) -> None:
        """Have the library read up to the end of the request, and hold the rest back."""
        found = (self._tail + self._held).find(_END_OF_HEAD)
        if found < 0:
            self._tail = (self._tail + self._held)[-len(_END_OF_HEAD) + 1 :]
            size = len(self._held)
        else:
            size = found + len(_END_OF_HEAD) - len(self._tail)
        head, self._held = self._held[:size], self._held[size:]
        super().data_received(head)
        if self._held and self.request is None:  # what looked like a request was none
            self.turn_away()
        elif not self._held:
            self._read_on()

    def _bound_pongs(self, unsent: int) -> None:
        """Drop a peer that pings and does not read: the library answers at once and waits for nobody."""
        grown = self.transport.get_write_buffer_size() - unsent
        self._pongs = grown if not unsent else self._pongs + grown
        if self._pongs > MAX_PONGS:
            self._watch.flooded(self)
            self.transport.abort()

    def process_event(self, event: Event) -> None:
        first = self.request is None
        self._frames += 1
        super().process_event(event)
        if first:
            self._watch.settled(self)

    def eof_received(self) -> None:
        if self._held and self._conversation is not None:
            self._feed(len(self._held))
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._held = b""
        super().connection_lost(exc)
        # What refers to itself in a circle is freed late, when a thousand others have come.
        self._conversation = None
        self.recv_messages.resume = _nothing
        self._watch.ended(self)

    # The handshake's end

    def let_in(self, conversation: Conversation) -> None:
        """The handshake is over: forget its headers, the token above all, and read on."""
        for head in (self.request, self.response):
            if head is not None:
                head.headers.clear()
        self._conversation = conversation
        self._read_on()

    def turn_away(self) -> None:
        """The answer that is about to go out is the last word: nothing more is listened to."""
        self._judged = True
        self._held = b""
        self._read_on()

    # Writing

    def send_now(self, message: bytes) -> bool:
        """Do what `send` does where it need not wait: the connection is open and its buffer below the bound."""
        if self.protocol.state is not State.OPEN or self.transport.get_write_buffer_size() > WRITE_BUFFER:
            return False
        self.transport.write(text_frame(message))
        return True

    async def keepalive(self) -> None:
        """Ping an idle peer, and fail the connection when no pong comes.

        Unlike the library's own, it is patient while messages of the peer are still being taken: its pong stands behind
        what it has sent, and that may be more than is read in the time for a pong.
        """
        assert self.ping_interval is not None
        with suppress(ConnectionClosed):
            while True:
                await anyio.sleep(self.ping_interval)
                pong = cast("asyncio.Future[float]", await self.ping())
                taken = -1
                while not pong.done():
                    if taken == self.taken:
                        async with self.send_context():
                            self.protocol.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
                    taken = self.taken
                    await asyncio.wait([pong], timeout=self.ping_timeout)


def _nothing() -> None:
    """Read on a connection that is gone."""
