"""Bybit's envelope: results and refusals written, numbers told as text. Pure; the time is an argument.

Every business answer is HTTP 200; success is `retCode` 0 and nothing else. The wording of a code varies on the real
venue, so the texts here are the recorded ones where there are any, and no client may read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import orjson

PARAMETER: Final = 10001
TOO_MANY_VISITS: Final = 10006

MESSAGES: Final[Mapping[int, str]] = {
    10000: "Server Timeout",
    10002: "invalid request, please check your server timestamp or recv_window param.",
    10003: "API key is invalid.",
    10004: "error sign!",
    10005: "Permission denied, please check your API key permissions.",
    10006: "Too many visits!",
    10010: "Unmatched IP, please check your API key's bound IP addresses.",
    10014: "Duplicate request",
    10016: "Request timeout, please try again later",
    10017: "Route not found.",
    10024: "Compliance rules triggered",
    10027: "Transactions are banned.",
    33004: "Your api key has expired.",
    110001: "order not exists or too late to cancel",
    110003: "Order price is out of permissible range",
    110007: "ab not enough for new order",
    110009: "The number of stop orders exceeds the maximum allowable limit",
    110017: "Reduce-only rule not satisfied",
    110020: "Not allowed to have more than 500 active orders",
    110024: "You have an existing position, so the position mode cannot be switched",
    110025: "Position mode is not modified",
    110026: "Cross/isolated margin mode is not modified",
    110028: "You have existing open orders, so the position mode cannot be switched",
    110029: "Hedge mode is not supported for this symbol",
    110034: "There is no net position",
    110043: "leverage not modified",
    110013: "Cannot set leverage due to risk limit level",
    110072: "OrderLinkedID is duplicate",
    110074: "This contract is not live",
    110079: "The order is processing and can not be operated, please try again later",
    110092: "expect Rising, but trigger_price is below the current price",
    110093: "expect Falling, but trigger_price is above the current price",
    110118: "no price for a market order",
    170007: "Timeout waiting for response from backend server.",
    170121: "Invalid symbol.",
    170131: "Insufficient balance.",
    170134: "Order price has too many decimals.",
    170137: "Order volume decimal too long",
    170140: "Order value exceeded lower limit.",
    170141: "Duplicate clientOrderId",
    170146: "Order creation timeout",
    170147: "Order cancellation timeout",
    170148: "Market order amount decimal too long",
    170193: "Buy order price is higher than the limit",
    170194: "Sell order price is lower than the limit",
    170213: "Order does not exist.",
    170310: "Order modification timeout",
    170810: "Cannot exceed maximum of 500 active orders.",
    34040: "not modified",
}


class VenueError(Exception):
    """The venue's refusal of a request, or of one order of a batch."""

    def __init__(self, code: int, message: str | None = None, *, result: object = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES.get(code, "error") if message is None else message
        self.result: object = {} if result is None else result
        self.has_extra = True


def bad(name: str) -> VenueError:
    """Return the refusal of a parameter."""
    return VenueError(PARAMETER, f"params error: {name} invalid")


@dataclass(frozen=True)
class Reply:
    """What a method answers: a result, and where the venue is irregular, what stands beside it."""

    result: object
    message: str = "OK"
    extra: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    """Members of the envelope itself that no other answer has."""


@dataclass(frozen=True)
class Answer:
    """A written answer."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


def write_reply(reply: Reply, time_ms: int) -> bytes:
    """Write a success."""
    return orjson.dumps(
        {"retCode": 0, "retMsg": reply.message, **reply.beside, "result": reply.result}
        | {"retExtInfo": reply.extra, "time": time_ms}
    )


def write_refusal(error: VenueError, time_ms: int) -> bytes:
    """Write a refusal."""
    extra: dict[str, object] | None = {} if error.has_extra else None
    result = error.result if error.has_extra else None
    return orjson.dumps(
        {"retCode": error.code, "retMsg": error.message, "result": result, "retExtInfo": extra, "time": time_ms}
    )


def plain(value: Decimal) -> str:
    """Write a number without an exponent and without useless zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def padded(value: Decimal, places: int) -> str:
    """Write a number with a fixed count of decimals."""
    return format(value.quantize(Decimal(1).scaleb(-places)), "f")


def number(value: float, places: int) -> str:
    """Write a computed number, rounded."""
    return plain(Decimal(repr(round(value, places))))
