"""Deribit's JSON-RPC dialect: requests read, answers and errors written. Pure; times are arguments.

Codes and messages are the venue's complete table as recordings confirm it, not the short "common errors" table that
contradicts it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

FRAME_LIMIT: Final = 32 * 1024

MESSAGES: Final = {
    10000: "authorization_required",
    10002: "qty_too_low",
    10003: "order_overlap",
    10004: "order_not_found",
    10009: "not_enough_funds",
    10010: "already_closed",
    10012: "book_closed",
    10020: "invalid_or_unsupported_instrument",
    10024: "invalid_max_show",
    10028: "too_many_requests",
    10030: "must_be_websocket_request",
    10031: "invalid_args_for_instrument",
    10033: "not_implemented",
    10034: "trigger_price_too_high",
    10035: "trigger_price_too_low",
    10036: "invalid_max_show_amount",
    10040: "retry",
    10041: "settlement_in_progress",
    10043: "price_wrong_tick",
    10044: "trigger_price_wrong_tick",
    10047: "matching_engine_queue_full",
    10066: "too_many_concurrent_requests",
    11008: "already_filled",
    11030: "other_reject",
    11031: "other_error",
    11035: "no_more_triggers",
    11036: "invalid_trigger_price",
    11038: "no_adv_for_futures",
    11039: "no_adv_postonly",
    11041: "not_adv_order",
    11044: "not_open_order",
    11047: "unsupported_arg_combination",
    11048: "wrong_max_show_for_option",
    11054: "post_only_reject",
    11051: "system_maintenance",
    11055: "post_only_not_allowed",
    11094: "internal_server_error",
    13004: "invalid_credentials",
    13008: "request_failed",
    13009: "unauthorized",
    13028: "temporarily_unavailable",
    13032: "non_unique_order_label",
    13035: "active_combo_limit_reached",
    13778: "raw_subscriptions_not_available_for_unauthorized",
    13888: "timed_out",
    -32000: "Missing params",
    -32600: "request entity too large",
    -32601: "Method not found",
    -32602: "Invalid params",
    -32700: "Parse error",
}


class VenueError(Exception):
    """The venue's refusal of one request."""

    def __init__(
        self,
        code: int,
        *,
        message: str | None = None,
        data: Mapping[str, Any] | None = None,
        request: "Request | None" = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES[code] if message is None else message
        self.data = data
        self.request = request
        """What could be read of a request that is refused while being read; its id is echoed."""


def invalid(param: str, reason: str) -> VenueError:
    """Return the refusal of one parameter."""
    return VenueError(-32602, data={"reason": reason, "param": param})


@dataclass(frozen=True)
class Request:
    """One call as received. `has_id` is False for a plain GET, which is answered without `id`."""

    method: str
    params: dict[str, Any]
    id: int | float | str | None
    has_id: bool


def read_request(raw: str | bytes) -> Request:
    """Read a JSON-RPC request from a frame or a body; refuse what the venue refuses."""
    if len(raw) > FRAME_LIMIT:
        raise VenueError(-32600)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise VenueError(-32700) from None
    if not isinstance(body, dict):
        raise VenueError(-32600, message="Invalid Request")
    request_id = body.get("id")
    if request_id is not None and (isinstance(request_id, bool) or not isinstance(request_id, int | float | str)):
        raise VenueError(-32600, message="Invalid Request")
    method, params = body.get("method"), body.get("params")
    request = Request(method if isinstance(method, str) else "", {}, request_id, "id" in body)
    if not isinstance(method, str):
        raise VenueError(-32600, message="Invalid Request", request=request)
    if params is None:
        return request
    if not isinstance(params, dict):
        raise VenueError(-32602, request=request)
    return Request(method, params, request_id, "id" in body)


@dataclass(frozen=True)
class Answer:
    """An answer ready to be sent; `refused` tells HTTP which status to give."""

    body: bytes
    refused: bool


def write_answer(request: Request | None, outcome: Any, *, us_in: int, us_out: int, testnet: bool) -> Answer:
    """Write the envelope around a result, or around a VenueError."""
    envelope: dict[str, Any] = {"jsonrpc": "2.0"}
    if request is not None and request.has_id:
        envelope["id"] = request.id
    if isinstance(outcome, VenueError):
        error: dict[str, Any] = {"code": outcome.code, "message": outcome.message}
        if outcome.data is not None:
            error["data"] = dict(outcome.data)
        envelope["error"] = error
    else:
        envelope["result"] = outcome
    envelope |= {"usIn": us_in, "usOut": us_out, "usDiff": us_out - us_in, "testnet": testnet}
    return Answer(orjson.dumps(envelope), refused=isinstance(outcome, VenueError))


def write_notification(method: str, params: dict[str, Any]) -> bytes:
    """Write a message the server sends on its own."""
    return orjson.dumps({"jsonrpc": "2.0", "method": method, "params": params})
