"""stdio on this side, a running daemon's WebSocket on the other: lines become frames and back, unchanged.

An agent that is given a bridge holds no exchange key and shares the daemon with others. The bridge answers nothing in
the daemon's name, except for what cannot be sent on: a line too long gets -32007, one that is no UTF-8 gets -32700.
When the daemon is lost, calls without an answer stay without one, because an error reply to a write would claim that
nothing was sent; the agent reads the end of stdout and asks `orders.get_outcome` with its intents after the next start.

| ends with | when |
| --- | --- |
| 0 | the input ended and every call was answered |
| 69 | the daemon cannot be reached, takes no session now, or was lost |
| 74 | nobody reads stdout |
| 78 | the token, the bot tag, the address or `--env` is wrong |
"""

import ssl

import anyio
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from cerberod.errors import Code, RpcError
from cerberod.ids import Environment
from cerberod.rpc import envelope
from cerberod.rpc.envelope import Batch, Ignored, Malformed, Message, Request
from cerberod.settings import Limits, Secret
from cerberod.transport.descriptors import Wire
from cerberod.transport.parent import parent_gone
from cerberod.transport.pipes import Reader, Writer

EX_OK, EX_UNAVAILABLE, EX_IOERR, EX_CONFIG = 0, 69, 74, 78

_WHOAMI_ID = "cerberod-bridge"
_REFUSED = {
    400: "the daemon refuses the bot tag, which is 1 to 64 printable ASCII characters, or this is the operator's token",
    401: "the daemon does not know the token in CERBEROD_TOKEN",
    403: "the daemon lets this token or this origin open no session",
    404: "CERBEROD_URL names a path; the daemon listens under /",
    421: "the host name in CERBEROD_URL is not in the daemon's ALLOWED_HOSTS",
}


class BridgeEnded(Exception):
    """The bridge cannot start or go on: one line for people, and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Owed:
    """How many answers the other side owes. Pure; judges messages by the same rules as the daemon."""

    def __init__(self, max_batch: int) -> None:
        self.count = 0
        self._max_batch = max_batch
        self.nothing = anyio.Event()
        self.nothing.set()

    def asked(self, line: bytes) -> None:
        """Count what a line asks for."""
        self._change(int(is_answered(envelope.decode(line, max_batch=self._max_batch))))

    def heard(self, frame: str) -> None:
        """Count an answer; what the daemon pushes unasked is none."""
        if not _is_push(frame):
            self._change(-1)

    def _change(self, by: int) -> None:
        self.count = max(self.count + by, 0)
        if self.count == 0:
            self.nothing.set()
        elif self.nothing.is_set():
            self.nothing = anyio.Event()


def is_answered(message: Message) -> bool:
    """Tell whether a message gets an answer."""
    match message:
        case Batch(items):
            return any(map(is_answered, items))
        case Request():
            return message.id is not None
        case Malformed():
            return True
        case Ignored():
            return False


def _is_push(frame: str) -> bool:
    try:
        value = envelope.parse(frame)
    except RpcError:
        return False
    return isinstance(value, dict) and "method" in value


async def bridge(
    wire: Wire,
    url: str,
    token: Secret,
    bot_tag: str,
    environment: Environment,
    limits: Limits,
    *,
    drain_s: float = 60.0,
) -> None:
    """Carry messages until the input ends and all is answered. Raises `BridgeEnded` otherwise."""
    try:
        connection = await connect(
            url,
            additional_headers={"Authorization": f"Bearer {token.reveal()}", "X-Bot-Tag": bot_tag},
            user_agent_header="cerberod-bridge",
            compression=None,
            proxy=None,
            open_timeout=limits.handshake_s,
            # The daemon judges sizes of requests and replies; this only bounds memory should it be another program.
            max_size=4 * limits.reply_bytes,
        )
    except InvalidStatus as refusal:
        raise _refusal(refusal.response.status_code) from None
    except (InvalidURI, ssl.SSLError):
        raise BridgeEnded(
            "CERBEROD_URL is no address of a daemon, or its certificate is not valid", EX_CONFIG
        ) from None
    except (OSError, TimeoutError, InvalidHandshake):
        raise BridgeEnded("no daemon answers at CERBEROD_URL", EX_UNAVAILABLE) from None
    try:
        await _check_environment(connection, environment, limits.read_deadline_s)
        await _carry(connection, wire, limits, drain_s)
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()


def _refusal(status: int) -> BridgeEnded:
    if status in _REFUSED:
        return BridgeEnded(_REFUSED[status], EX_CONFIG)
    return BridgeEnded(f"the daemon takes no session now (HTTP {status})", EX_UNAVAILABLE)


async def _check_environment(connection: ClientConnection, environment: Environment, deadline_s: float) -> None:
    """Make sure that the token's environment is the one asked for, before anything of the caller's is sent."""
    await connection.send(orjson.dumps({"jsonrpc": "2.0", "id": _WHOAMI_ID, "method": "session.whoami"}), text=True)
    try:
        with anyio.fail_after(deadline_s):
            answer = orjson.loads(await connection.recv())
    except (ConnectionClosed, TimeoutError, orjson.JSONDecodeError):
        raise BridgeEnded("the daemon did not say who this token is", EX_UNAVAILABLE) from None
    found = answer.get("result", {}).get("environment") if isinstance(answer, dict) else None
    if found is None:
        raise BridgeEnded("the daemon did not say who this token is", EX_UNAVAILABLE)
    if found != environment.value:
        raise BridgeEnded(f"--env is {environment.value}, but the token in CERBEROD_TOKEN is of another", EX_CONFIG)


async def _carry(connection: ClientConnection, wire: Wire, limits: Limits, drain_s: float) -> None:
    reader, writer, owed = Reader(wire.read_fd), Writer(wire.write_fd), Owed(limits.batch_items)
    ended: list[BridgeEnded] = []

    async def deliver(message: bytes) -> None:
        if not ended and not await writer.write(message + b"\n"):
            end(BridgeEnded("nobody reads the answers any more", EX_IOERR))

    def end(why: BridgeEnded) -> None:
        ended.append(why)
        reader.close()
        group.cancel_scope.cancel()

    async def answers() -> None:
        try:
            while True:
                frame = await connection.recv()
                if isinstance(frame, str):
                    await deliver(frame.encode())
                    owed.heard(frame)
        except ConnectionClosed:
            end(_lost(owed.count))

    async def requests() -> None:
        try:
            async for line in reader.lines(limits.stdio_line_bytes):
                refused = _not_sendable(line, limits.stdio_line_bytes)
                if refused is not None:
                    await deliver(envelope.encode_error(None, refused))
                    continue
                owed.asked(line)
                await connection.send(line, text=True)
        except ConnectionClosed:
            end(_lost(owed.count))
        with anyio.move_on_after(drain_s):
            await owed.nothing.wait()
            group.cancel_scope.cancel()
            return
        end(_lost(owed.count))

    async def orphaned() -> None:
        await parent_gone()
        reader.close()

    async with anyio.create_task_group() as group:
        group.start_soon(answers)
        group.start_soon(requests)
        group.start_soon(orphaned)
    if ended:
        raise ended[0]


def _not_sendable(line: bytes, limit: int) -> RpcError | None:
    """Say why a line cannot be a frame; the daemon would end the session over it."""
    if len(line) > limit:
        return RpcError(Code.REQUEST_TOO_BIG, limit_bytes=limit)
    try:
        line.decode()
    except UnicodeDecodeError:
        return RpcError(Code.PARSE_ERROR)
    return None


def _lost(unanswered: int) -> BridgeEnded:
    rest = f"; {unanswered} unanswered: ask orders.get_outcome for each write among them" if unanswered else ""
    return BridgeEnded(f"the daemon was lost{rest}", EX_UNAVAILABLE)
