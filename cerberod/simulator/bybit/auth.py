"""Who signed a request: the key, the signature over the bytes received, and the window of time it is good for.

The signature is never checked over a re-serialised body. A query is good as it stood on the wire or percent-decoded:
clients sign what they wrote, and some HTTP libraries encode it afterwards.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from cerberod.simulator.bybit.wire import PARAMETER, VenueError

DEFAULT_WINDOW_MS: Final = 5_000
_AHEAD_MS = 1_000
_LONGEST = 20


@dataclass(frozen=True)
class Key:
    """One API key: play money on loopback."""

    api_key: str
    secret: str
    user_id: int


def make_key(environment: str, seed: int, user_id: int) -> Key:
    """Make an environment's one key, the same for one seed so that scripts can name it."""
    digest = hashlib.sha256(f"cerberod simulator {environment} {seed}".encode()).hexdigest()
    return Key(api_key=f"sim{digest[:15]}", secret=digest[15:51], user_id=user_id)


def signature(secret: str, text: bytes) -> str:
    """Sign a text as the venue does."""
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def check(key: Key, headers: Mapping[str, str], payload: bytes, clocks: tuple[int, ...]) -> None:
    """Refuse a request that is not signed by `key`, or whose time is outside the window; `clocks` are the venue's.

    A simulated market may stand still or be elsewhere in time; the clock that is nearest to the caller's is the one
    it evidently uses. Ahead of it by a second is refused whatever the window.
    """
    name, stamp = headers.get("X-BAPI-API-KEY", ""), headers.get("X-BAPI-TIMESTAMP", "")
    signed, window = headers.get("X-BAPI-SIGN", ""), headers.get("X-BAPI-RECV-WINDOW", "")
    if not (name and stamp and signed):
        text = f"empty value: apiTimestamp[{stamp[:_LONGEST]}] apiKey[{name[:_LONGEST]}] apiSignature[]"
        error = VenueError(PARAMETER, f"{text}: openapi sign params error!")
        error.has_extra = False
        raise error
    if not hmac.compare_digest(name.encode(), key.api_key.encode()):
        raise VenueError(10003)
    time_ms = _whole(stamp)
    window_ms = _whole(window) if window else DEFAULT_WINDOW_MS
    if time_ms is None or window_ms is None:
        raise VenueError(PARAMETER, "params error: timestamp or recv_window invalid")
    now_ms = min(clocks, key=lambda clock_ms: abs(clock_ms - time_ms))
    if not now_ms - window_ms <= time_ms < now_ms + _AHEAD_MS:
        raise VenueError(
            10002,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{time_ms}],server_timestamp[{now_ms}],recv_window[{window_ms}]",
        )
    head = f"{stamp}{name}{window}".encode()
    decoded = unquote(payload.decode("utf-8", "replace")).encode()
    if not any(_matches(signed, signature(key.secret, head + text)) for text in (payload, decoded)):
        origin = (head + payload).decode("utf-8", "replace")
        raise VenueError(10004, f"error sign! origin_string[{origin}]")


def _matches(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST else None
