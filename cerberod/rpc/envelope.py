"""JSON-RPC 2.0 envelopes: bytes to requests, results to bytes. Pure, and the only judge of what is well formed.

Narrower than the specification, on purpose:

| specification | here | reason |
| --- | --- | --- |
| id: String, Number or Null | 1 to 64 characters, none a control character; or an integer within 53 bits | null \
correlates nothing, fractions and big numbers do not survive every parser |
| params by position or by name | by name | a value in the wrong position is an order in the wrong direction |
| extra members are not mentioned | refused | a misspelt `params` must not run a method with its defaults |
| batches of any size | bounded, reads only | JSON-RPC promises no order of execution |

Duplicate keys: the last one wins (RFC 8259 leaves it open); what is recorded is the parsed form that was acted on.
"""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from cerberod.errors import Code, RpcError

Id = str | int
MAX_ID_TEXT = 64
MAX_ID_INT = 2**53
METHOD_ECHO = 64
MAX_NESTED = 65_536
"""Objects and lists in one request. A megabyte of empty ones takes 50 ms to read, the same of numbers 3 ms."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MEMBERS = {"jsonrpc", "method", "params", "id"}
_NO_ID = object()


class Request(NamedTuple):
    """One call. `id` is None for a notification; `params` is the parsed object, empty when absent."""

    method: str
    params: dict[str, Any]
    id: Id | None


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that is not a call, with the error that tells so. `id` is None where none could be trusted."""

    error: RpcError
    id: Id | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """What gets no answer: a response object, although nothing was asked, or a notification that cannot be run."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The items of a JSON array, each judged alone."""

    items: tuple[Request | Malformed | Ignored, ...]


Message = Request | Batch | Malformed | Ignored


def parse(text: bytes | str) -> object:
    """Read JSON. Raises `RpcError` with the parse error code on anything that is not one whole JSON value.

    A byte order mark, bad UTF-8, lone surrogates, trailing bytes and nesting beyond 1024 are such.
    """
    try:
        return orjson.loads(text if isinstance(text, bytes) else text.encode())
    except (orjson.JSONDecodeError, UnicodeEncodeError):  # the latter: text that holds a lone surrogate
        raise RpcError(Code.PARSE_ERROR) from None


def decode(text: bytes, *, max_batch: int) -> Message:
    """Turn one frame into what it asks for. Never raises."""
    if _is_laborious(text):
        return Malformed(RpcError(Code.REQUEST_TOO_BIG, limit_objects_and_lists=MAX_NESTED))
    try:
        value = parse(text)
    except RpcError as error:
        return Malformed(error)
    if isinstance(value, list):
        if not value:
            return Malformed(_invalid("a batch must not be empty"))
        if len(value) > max_batch:
            return Malformed(RpcError(Code.BATCH_TOO_BIG, limit=max_batch))
        return Batch(tuple(judge(item) for item in value))
    return judge(value)


def _is_laborious(text: bytes) -> bool:
    """Tell whether it holds too many objects and lists. Without a comma they are a nest too deep, which is no JSON."""
    return len(text) > MAX_NESTED and text.count(b"[") + text.count(b"{") > MAX_NESTED and b"," in text


def judge(value: object) -> Request | Malformed | Ignored:
    """Tell whether one parsed JSON value is a call. Never raises."""
    if not isinstance(value, dict):
        return Malformed(_invalid("a request is an object"))
    if "method" not in value and ("result" in value or "error" in value):
        return Ignored()
    raw_id = value.get("id", _NO_ID)
    if raw_id is not _NO_ID and not is_id(raw_id):
        return Malformed(_invalid("id is text of 1 to 64 characters or an integer within 53 bits"))
    known_id = None if raw_id is _NO_ID else raw_id
    if value.get("jsonrpc") != "2.0":
        return Malformed(_invalid('jsonrpc is exactly "2.0"'), known_id)
    method = value.get("method")
    if not isinstance(method, str):
        return Malformed(_invalid("method is text"), known_id)
    if not value.keys() <= _MEMBERS:
        return Malformed(_invalid("only jsonrpc, method, params and id are members of a request"), known_id)
    params = value.get("params", {})
    if isinstance(params, dict):
        return Request(method, params, known_id)
    if known_id is None:
        return Ignored()
    rule = "params are given by name, as an object" if isinstance(params, list) else "params are an object"
    problem = {"field": "params", "rule": rule}
    return Malformed(RpcError(Code.INVALID_PARAMS, problems=[problem], problem_count=1), known_id)


def is_id(value: object) -> bool:
    """Tell whether a value may serve as the id of a call. Booleans are not integers here."""
    if isinstance(value, str):
        return 0 < len(value) <= MAX_ID_TEXT and _CONTROL.search(value) is None
    return type(value) is int and -MAX_ID_INT < value < MAX_ID_INT


def _invalid(rule: str) -> RpcError:
    return RpcError(Code.INVALID_REQUEST, rule=rule)


def echo(name: str) -> str:
    """Cut a caller's method name to what may stand in an error; JSON escapes the rest."""
    return name[:METHOD_ECHO]


def encode_result(id: Id | None, result: bytes) -> bytes:
    """Wrap a result, already encoded, in its response."""
    return b'{"jsonrpc":"2.0","id":' + orjson.dumps(id) + b',"result":' + result + b"}"


def encode_error(id: Id | None, error: RpcError, request_id: str | None = None) -> bytes:
    """Write an error response; `request_id` joins it with the request log and the audit."""
    data = dict(error.data)
    if request_id is not None:
        data["request_id"] = request_id
    body: dict[str, Any] = {"code": int(error.code), "message": error.message}
    if data:
        body["data"] = data
    return orjson.dumps({"jsonrpc": "2.0", "id": id, "error": body})


def encode_batch(replies: list[bytes]) -> bytes:
    """Join encoded responses into the answer to a batch."""
    return b"[" + b",".join(replies) + b"]"


def encode_notification(method: str, params: bytes) -> bytes:
    """Write a message that the daemon pushes to a session."""
    return b'{"jsonrpc":"2.0","method":' + orjson.dumps(method) + b',"params":' + params + b"}"
