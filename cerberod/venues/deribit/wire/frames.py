"""Frames: one JSON-RPC message each, requests out, answers and notifications in.

Deribit takes JSON numbers, not strings. A `Decimal` is written with exactly its own digits, never through a float.
Knows nothing of what the messages mean.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import orjson

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.trading.money import plain
from cerberod.venues.deribit.errors import VENUE

MAX_REQUEST_BYTES: Final = 32_000
"""Deribit refuses longer frames."""
LARGEST_ID: Final = 2**53


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer. `result` is plain JSON."""

    result: Any
    us_in: int | None
    us_out: int | None
    testnet: bool | None

    @property
    def as_of(self) -> datetime | None:
        """The venue's time of the answer."""
        return None if self.us_out is None else from_ms(self.us_out // 1000)

    def stamp(self) -> datetime:
        """Return the venue's time of an answer whose data carries no time of its own."""
        if self.us_out is None:
            raise BadVenueData(VENUE, "usOut", "microseconds since 1970")
        return from_ms(self.us_out // 1000)


@dataclass(frozen=True, slots=True)
class Refused:
    """An error answer."""

    code: int
    data: Any
    us_in: int | None
    us_out: int | None
    testnet: bool | None


@dataclass(frozen=True, slots=True)
class Unusable:
    """An answer to a request we know, which breaks the envelope's contract."""

    field: str
    rule: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for the request with this id."""

    id: int
    body: Answer | Refused | Unusable


@dataclass(frozen=True, slots=True)
class Notification:
    """A message the venue sends by itself: a heartbeat, or news of a subscription."""

    method: str
    params: Mapping[str, Any]

    @property
    def wants_test(self) -> bool:
        """Tell whether the venue closes the connection unless `public/test` is called."""
        return self.method == "heartbeat" and self.params.get("type") == "test_request"


def request(id: int, method: str, params: Mapping[str, Any]) -> bytes:
    """Build the frame of one request. Params that are None are left out, as the venue asks."""
    given = {name: value for name, value in params.items() if value is not None}
    return orjson.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": given}, default=_number)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(plain(value))
    raise TypeError(f"{type(value).__name__} has no place in a request")


def read(text: str | bytes) -> Reply | Notification:
    """Take one frame apart, or raise `BadVenueData` when it cannot be matched with anything."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadVenueData(VENUE, "frame", "JSON") from None
    if not isinstance(message, dict):
        raise BadVenueData(VENUE, "frame", "a JSON object")
    id = message.get("id")
    if id is None and isinstance(message.get("method"), str):
        params = message.get("params")
        return Notification(message["method"], params if isinstance(params, dict) else {})
    if type(id) is not int or not 0 <= id <= LARGEST_ID:
        raise BadVenueData(VENUE, "id", "an id of ours")
    return Reply(id, _body(message))


def _body(message: dict[str, Any]) -> Answer | Refused | Unusable:
    testnet = message.get("testnet")
    if testnet is not None and not isinstance(testnet, bool):
        return Unusable("testnet", "true or false")
    us_in, us_out = (_micros(message.get(name)) for name in ("usIn", "usOut"))
    if ("result" in message) == ("error" in message):
        return Unusable("result", "either a result or an error")
    if "result" in message:
        return Answer(message["result"], us_in, us_out, testnet)
    error = message["error"]
    if not isinstance(error, dict) or type(error.get("code")) is not int:
        return Unusable("error.code", "an integer")
    return Refused(error["code"], error.get("data"), us_in, us_out, testnet)


def _micros(value: object) -> int | None:
    """Read microseconds since 1970; whatever cannot be such a time counts as absent."""
    return value if type(value) is int and 0 <= value < _FAR_US else None


_FAR_US = 32_503_708_800_000_000


def signature(secret: str, timestamp_ms: int, nonce: str, data: str = "") -> str:
    """Sign for `client_signature`: the secret itself is never sent."""
    text = f"{timestamp_ms}\n{nonce}\n{data}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
