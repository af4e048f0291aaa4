"""One connection, driven: frames in, calls run at the same time up to a limit, answers out through a bounded outbox.

Both transports use this one driver; they differ only in where frames come from and how bytes are sent. Beyond the
in-flight limit a few more calls are read and wait, so that a cancel behind them can overtake; then reading pauses, and
a peer that asks faster than it is answered fills its own socket and nobody else's memory.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from cerberod.rpc.dispatch import Dispatcher
from cerberod.rpc.envelope import Message, Request
from cerberod.rpc.session import Session

MAX_URGENT = 256
"""Cancels of one session that run at once. Far more than a bot has reason to send, and still a bound."""


LAST_WORDS_S = 1.0
"""How long the answers of a session that is ended for its debt have to leave."""


MAX_UNBROKEN = 16
"""Calls of one session answered in a row before all others have their turn."""


class PeerGone(Exception):
    """Raised by a transport's `send`: the peer will hear nothing more."""


SendNow = Callable[[bytes], bool]
"""Sends a message if that needs no waiting, and tells whether it did."""


def never_now(message: bytes) -> bool:
    """Leave every message to the queue, for a transport that cannot tell."""
    return False


def _nobody() -> None:
    """Hear that something was queued."""


@dataclass(frozen=True, slots=True)
class ConversationLimits:
    """Bounds of one connection; every one of them is a setting."""

    max_in_flight: int
    max_outbox_messages: int
    max_outbox_bytes: int
    max_waiting: int = 64
    """Calls read beyond `max_in_flight`, so that a cancel behind them is seen."""


class Signal:
    """Wakes whoever waits for a change. While nobody waits it costs next to nothing, which an event would."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    async def wait(self) -> None:
        """Return at the next `tell`."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()

    def tell(self) -> None:
        """Wake all who wait now."""
        if self._event is not None:
            self._event.set()
            self._event = None


class Outbox:
    """Answers waiting for a peer. Whoever puts one beyond the bound waits; nothing is dropped until the peer leaves."""

    def __init__(
        self,
        max_messages: int,
        max_bytes: int,
        send_now: SendNow = never_now,
        filled: Callable[[], None] = _nobody,
    ) -> None:
        """Make an empty outbox; `filled` is called whenever a message is queued where there was none."""
        self.queued_bytes = 0
        self._closed = False
        self._queue: list[bytes] = []  # short and mostly empty: an empty deque takes ten times the memory
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._send_now = send_now
        self._filled = filled
        self._changed = Signal()

    def __len__(self) -> int:
        return len(self._queue)

    async def put(self, message: bytes) -> None:
        """Send a message at once or queue it as soon as there is room.

        One message larger than the bound passes when it is alone.
        """
        while self._queue and not self._closed and not self._fits(message):
            await self._changed.wait()
        self.put_first(message)

    def put_first(self, message: bytes) -> None:
        """Send a message for which there is room, as there is in an empty outbox, or queue it.

        It is sent at once when none is queued, hence none is being sent, and the peer keeps up: to wake the task that
        writes costs more than to write.
        """
        if self._closed or (not self._queue and self._send_now(message)):
            return
        self._queue.append(message)
        self.queued_bytes += len(message)
        self._changed.tell()
        if len(self._queue) == 1:
            self._filled()

    def _fits(self, message: bytes) -> bool:
        return len(self._queue) < self._max_messages and self.queued_bytes + len(message) <= self._max_bytes

    async def first(self) -> bytes:
        """Return the oldest message without removing it; waits for one."""
        while not self._queue:
            await self._changed.wait()
        return self._queue[0]

    def sent(self) -> None:
        """Remove the oldest message, which has been sent. Nothing is left to remove when the peer went meanwhile."""
        if self._closed:
            return
        self.queued_bytes -= len(self._queue.pop(0))
        self._changed.tell()

    def close(self) -> None:
        """The peer is gone: forget what is queued and take nothing more."""
        self._closed = True
        self._queue.clear()
        self.queued_bytes = 0
        self._changed.tell()
        # Whom it served refers to it: a circle would be freed late, when a thousand other sessions have come.
        self._send_now, self._filled = never_now, _nobody

    async def empty(self) -> None:
        """Return once nothing is queued."""
        while self._queue:
            await self._changed.wait()


class _Worker:
    """A task that answers one call after the other, and waits in between."""

    def __init__(self) -> None:
        self._message: Message | None = None
        self._dismissed = False
        self._given = Signal()

    def give(self, message: Message) -> None:
        """Let it answer this next."""
        self._message = message
        self._given.tell()

    def dismiss(self) -> None:
        """Let it end, which leaves less behind than to cancel it."""
        self._dismissed = True
        self._given.tell()

    async def taken(self) -> Message | None:
        """Wait for a message and take it; None when there will be none."""
        while self._message is None and not self._dismissed:
            await self._given.wait()
        message, self._message = self._message, None
        return message


class Conversation:
    """The life of one session between its first frame and its last answer."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        session: Session,
        send: Callable[[bytes], Awaitable[None]],
        limits: ConversationLimits,
        hang_up: Callable[[], Awaitable[None]] | None = None,
        send_now: SendNow = never_now,
    ) -> None:
        self.session = session
        self.outbox = Outbox(limits.max_outbox_messages, limits.max_outbox_bytes, send_now, self._start_writing)
        self._dispatcher = dispatcher
        self._send = send
        self._limits = limits
        self._hang_up = hang_up
        self._hanging_up = False
        self._group: TaskGroup | None = None
        self._running = 0
        self._urgent = 0
        self._unbroken = 0
        self._waiting: list[Message] = []
        self._spare: _Worker | None = None
        self._changed = Signal()

    async def run(self, frames: AsyncIterator[bytes | str], *, drain: bool) -> None:
        """Serve frames until they end. With `drain`, finish what runs and send it; else reads end at once.

        A write goes on in either case, in the group of the dispatcher that outlives sessions.
        """
        with self._dispatcher.listening(self.session.principal, self.outbox.put):
            async with anyio.create_task_group() as group:
                self._group = group
                try:
                    async for frame in frames:
                        self._take(self.session.read(frame))
                        await self._pause()
                    if drain:
                        await self.finished()
                finally:  # however it ends: calls that outlive the session must not start others in its group
                    self._group = None
                    if self._spare is not None:
                        self._spare.dismiss()
                    self.outbox.close()
                    group.cancel_scope.cancel()

    async def finished(self) -> None:
        """Return once every call is answered and every answer sent."""
        while self._running or self._urgent or self._waiting:
            await self._changed.wait()
        await self.outbox.empty()

    def take_now(self, frame: bytes) -> bool:
        """Take a frame as `run` would, but within this call; false when it is to come through `run`.

        For a transport that holds a whole frame and knows that none is before it: a call that needs no waiting is
        answered on return, without waking any task.
        """
        if self._group is None or self._crowded:
            return False
        self._take(self.session.read(frame))
        return True

    @property
    def _crowded(self) -> bool:
        """Whether so much waits that reading pauses."""
        return len(self._waiting) > self._limits.max_waiting or self._urgent >= MAX_URGENT

    async def _pause(self) -> None:
        """Wait while it is crowded. Frames that have come already are read without a pause, so one is made here."""
        while self._crowded:
            await self._changed.wait()
        self._unbroken += 1
        if self._unbroken >= MAX_UNBROKEN:
            self._unbroken = 0
            await checkpoint()

    def _take(self, message: Message) -> None:
        method = self._dispatcher.method_of(message)
        if method is not None and method.urgent:
            if self._group is not None:
                self._urgent += 1
                self._dispatcher.group_for(method, self._group).start_soon(self._answer_at_once, message)
        elif self.session.over_budget:
            return  # nothing more is answered; cancels that are still on their way are sent all the same
        elif self._running >= self._dispatcher.room(self.session, self._limits.max_in_flight):
            self._waiting.append(message)
        elif (
            isinstance(message, Request)
            and not self.outbox  # so that there is room for the answer
            and self._dispatcher.answers_now(method, self.session, message)
        ):
            self.outbox.put_first(self._dispatcher.answer_now(self.session, message, method))
        else:
            self._start(message)

    def _start(self, message: Message) -> None:
        if self._group is not None:
            self._running += 1
            group = self._dispatcher.group_for(self._dispatcher.method_of(message), self._group)
            if group is not self._group:
                group.start_soon(self._answer_in_turn, message)
            elif self._spare is not None:
                spare, self._spare = self._spare, None
                spare.give(message)
            else:
                group.start_soon(self._work, message)

    async def _work(self, message: Message) -> None:
        """Answer one call, and then the next ones as the spare: to start a task costs more than most calls."""
        worker = _Worker()
        given: Message | None = message
        while given is not None:
            await self._answer_in_turn(given)
            if self._spare is not None or self._group is None:
                return
            self._spare = worker
            given = await worker.taken()

    async def _answer_in_turn(self, message: Message) -> None:
        try:
            await self._answer(message)
        finally:
            self._running -= 1
            self._start_waiting()
            self._changed.tell()

    def _start_waiting(self) -> None:
        room = self._dispatcher.room(self.session, self._limits.max_in_flight)
        while self._waiting and self._group is not None and self._running < room:
            self._start(self._waiting.pop(0))

    async def _answer_at_once(self, message: Message) -> None:
        try:
            await self._answer(message)
        finally:
            self._urgent -= 1
            self._changed.tell()

    async def _answer(self, message: Message) -> None:
        reply = await self._dispatcher.answer(self.session, message)
        if reply is not None:
            await self.outbox.put(reply)
        if self.session.over_budget and not self._hanging_up and self._group is not None:
            self._hanging_up = True
            self._group.start_soon(self._end_for_debt)

    async def _end_for_debt(self) -> None:
        """Let the last answers out, then have the transport close the session."""
        with anyio.move_on_after(LAST_WORDS_S):
            await self.outbox.empty()
        if self._hang_up is not None:
            await self._hang_up()

    def _start_writing(self) -> None:
        if self._group is not None:
            self._group.start_soon(self._write_out)

    async def _write_out(self) -> None:
        """Send what is queued, and end: an idle session has no use for a task that waits."""
        try:
            while self.outbox:
                await self._send(await self.outbox.first())
                self.outbox.sent()
        except PeerGone:
            self.outbox.close()
