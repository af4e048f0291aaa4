"""One call to a running daemon over WebSocket, and every way in which it can fail, told in one line.

Knows nothing of methods or settings: it is given an address, a token, a bot tag and a request, and returns the reply.
"""

import socket
import ssl
from dataclasses import dataclass
from typing import Any

import orjson
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from cerberod.clock import Clock

_CALL_ID = 1
_CLOSE_TIMEOUT_S = 1.0
_REPLY_BYTES = 72 << 20
"""More than the largest reply a daemon can be set to give."""

_REFUSALS = {
    (400, "X-Bot-Tag"): "the bot tag was refused; it is 1 to 64 printable ASCII characters (CERBEROD_BOT_TAG, "
    "--bot-tag)",
    (400, "X-Environment"): "the operator's token acts through cerberod halt, resume and settle, in an environment "
    "that is in use there",
    (401, None): "the token was refused; CERBEROD_TOKEN must be the daemon's TESTNET_TOKEN or MAINNET_TOKEN",
}
"""Where the daemon's own words speak of headers and the user has to do with settings."""


class CallFailed(Exception):
    """There is no reply; the text says why in one line. `sent` tells whether the daemon may have got the request."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes and who makes it."""

    url: str
    token: str
    bot_tag: str
    environment: str | None = None
    """For the operator's token alone: the environment to act in."""

    def __repr__(self) -> str:
        return f"Target({self.url})"


def call(target: Target, method: str, params: dict[str, Any], timeout_s: float, clock: Clock) -> dict[str, Any]:
    """Make one call and return the reply, which holds `result` or `error`. Raises `CallFailed`."""
    request = {"jsonrpc": "2.0", "id": _CALL_ID, "method": method, "params": params}
    try:
        frame = orjson.dumps(request).decode()
    except (TypeError, orjson.JSONEncodeError):
        raise CallFailed("the params cannot be written as JSON (text must be valid Unicode)", sent=False) from None
    give_up_at = clock.monotonic() + timeout_s
    with _connected(target, timeout_s) as connection:
        try:
            connection.send(frame)
            return _reply(connection, give_up_at, timeout_s, clock)
        except ConnectionClosed as closed:
            told = closed.rcvd
            why = "without a word" if told is None else f"with code {told.code}"
            raise CallFailed(f"the daemon closed the connection {why} before it answered", sent=True) from None


def _reply(connection: ClientConnection, give_up_at: float, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """Wait for the answer; what the daemon pushes meanwhile is for others."""
    while True:
        left = give_up_at - clock.monotonic()
        try:
            message = orjson.loads(connection.recv(timeout=max(0.0, left)))
        except TimeoutError:
            raise CallFailed(f"no answer within {timeout_s:g} s", sent=True) from None
        except orjson.JSONDecodeError:
            raise CallFailed("what answers there does not speak JSON", sent=True) from None
        if not isinstance(message, dict):
            raise CallFailed("what answers there does not speak JSON-RPC 2.0", sent=True)
        if "method" not in message and message.get("id") in (_CALL_ID, None):
            return message


def _connected(target: Target, timeout_s: float) -> ClientConnection:
    where = target.url
    headers = {"Authorization": f"Bearer {target.token}", "X-Bot-Tag": target.bot_tag}
    if target.environment is not None:
        headers["X-Environment"] = target.environment
    try:
        return connect(
            target.url,
            additional_headers=headers,
            open_timeout=timeout_s,
            close_timeout=_CLOSE_TIMEOUT_S,
            max_size=_REPLY_BYTES,
            compression=None,
            proxy=None,  # a token is shown to nobody between
            user_agent_header="cerberod",
        )
    except InvalidStatus as refusal:
        status = refusal.response.status_code
        told = _told(bytes(refusal.response.body))
        reason = "what answers there is no cerberod"
        if told is not None:
            reason = _REFUSALS.get((status, told.get("header")), told["message"])
        raise CallFailed(f"{where} answered HTTP {status}: {reason}", sent=False) from None
    except ConnectionRefusedError:
        raise CallFailed(f"nothing listens at {where}; is cerberod serve running?", sent=False) from None
    except TimeoutError:
        raise CallFailed(f"no connection to {where} within {timeout_s:g} s", sent=False) from None
    except socket.gaierror:
        raise CallFailed(f"the host of {where} is not known", sent=False) from None
    except ssl.SSLError:
        raise CallFailed(
            f"no secure connection to {where}: its certificate or TLS version is refused", sent=False
        ) from None
    except (InvalidHandshake, InvalidMessage, EOFError):
        raise CallFailed(f"what answers at {where} is no WebSocket server", sent=False) from None
    except OSError as error:
        raise CallFailed(f"no connection to {where}: {error.strerror or 'network failure'}", sent=False) from None


def _told(body: bytes) -> dict[str, str] | None:
    """Return what a daemon says of its refusal; None when it was no daemon that answered."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict) or "error" not in answer or not isinstance(answer.get("message"), str):
        return None
    return {name: value for name, value in answer.items() if isinstance(value, str)}
