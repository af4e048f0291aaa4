"""The daemon's methods over its own stdin and stdout: one JSON-RPC message on each line.

How it treats its input is told in `transport.lines`. At the end of input, or when the parent process is gone, calls
that run are finished and answered first. When nobody reads stdout any more, reads are dropped and writes go on to their
end, recorded but unheard.
"""

import logging
import os
from collections.abc import Callable
from enum import StrEnum

import anyio

from cerberod.clock import Clock
from cerberod.ids import Environment, new_session_id
from cerberod.rpc.call import Principal
from cerberod.rpc.conversation import Conversation, ConversationLimits, PeerGone
from cerberod.rpc.dispatch import Dispatcher
from cerberod.settings import Limits
from cerberod.transport.auth import IDENTITIES
from cerberod.transport.descriptors import Wire
from cerberod.transport.parent import parent_gone
from cerberod.transport.pipes import Reader, Writer
from cerberod.transport.sessions import OpenSession, SessionView

logger = logging.getLogger("cerberod.stdio")


class Ending(StrEnum):
    """Why a stdio session ended."""

    END_OF_INPUT = "end_of_input"
    PARENT_GONE = "parent_gone"
    STOPPED = "stopped"
    READER_GONE = "reader_gone"
    OVER_BUDGET = "over_budget"

    @property
    def exit_code(self) -> int:
        """What the process exits with: 0, 74 (EX_IOERR) when answers could not be delivered, 75 (EX_TEMPFAIL) for
        a caller that asked too much.
        """
        match self:
            case Ending.READER_GONE:
                return 74
            case Ending.OVER_BUDGET:
                return 75
            case Ending.END_OF_INPUT | Ending.PARENT_GONE | Ending.STOPPED:
                return 0


def stdio_principal(environment: Environment, bot_tag: str) -> Principal:
    """Return who speaks on stdio: whoever started this process, in the environment named on the command line."""
    return Principal(
        environment=environment,
        actor=environment.value,
        bot_tag=bot_tag,
        scopes=IDENTITIES[environment.value].scopes,
        session_id=new_session_id(),
        transport="stdio",
    )


class StdioSession:
    """The one session of a process that speaks on stdio."""

    def __init__(
        self,
        wire: Wire,
        limits: Limits,
        dispatcher: Dispatcher,
        principal: Principal,
        clock: Clock,
        parent: Callable[[], int] = os.getppid,
    ) -> None:
        self._wire = wire
        self._limits = limits
        self._dispatcher = dispatcher
        self._clock = clock
        self._parent = parent
        self._open = OpenSession(principal, clock.monotonic())
        self._reader: Reader | None = None
        self._ending = Ending.END_OF_INPUT

    def stop(self) -> None:
        """Read no more; `run` returns once what runs is answered."""
        self._end(Ending.STOPPED)

    def sessions(self) -> list[SessionView]:
        """Return this session as it stands now, in the form other transports use."""
        return [self._open.view(self._clock.monotonic())]

    async def run(self) -> Ending:
        """Serve until the input ends or nobody listens."""
        limits = self._limits
        self._reader = reader = Reader(self._wire.read_fd)
        writer = Writer(self._wire.write_fd)
        serving = anyio.CancelScope()

        async def send(message: bytes) -> None:
            if not await writer.write(message + b"\n"):
                self._end(Ending.READER_GONE)
                serving.cancel()
                raise PeerGone

        async def hang_up() -> None:
            self._end(Ending.OVER_BUDGET)

        session = self._dispatcher.open_session(self._open.principal, max_request_bytes=limits.stdio_line_bytes)
        self._open.conversation = Conversation(
            self._dispatcher,
            session,
            send,
            ConversationLimits(limits.in_flight_per_session, limits.outbox_messages, limits.outbox_bytes),
            hang_up,
        )
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch_parent)
            with serving:
                await self._open.conversation.run(reader.lines(limits.stdio_line_bytes), drain=True)
            group.cancel_scope.cancel()
        logger.info("stdio session ended", extra={"reason": self._ending.value})
        return self._ending

    async def _watch_parent(self) -> None:
        await parent_gone(self._parent)
        self._end(Ending.PARENT_GONE)

    def _end(self, why: Ending) -> None:
        self._ending = why
        if self._reader is not None:
            self._reader.close()
