"""A WebSocket client that believes nothing: every request, reply and error is held against the registry.

Requests are validated against the method's params schema as `rpc.discover` publishes it, results against its result
schema and its model, errors against the codes and messages there are. It also remembers which methods were called, so
that the suite can tell which were not.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import anyio
import orjson
from jsonschema import Draft202012Validator, FormatChecker
from websockets.asyncio.client import ClientConnection, connect

from cerberod import __version__, app
from cerberod.errors import MESSAGES, Code
from cerberod.rpc.describe import error_codes, openrpc
from tests.support.daemon import Daemon

ANSWER_S = 60.0

called: Counter[str] = Counter()
"""How often each method was called in this run of the suite and answered with a result."""

_ANYWHERE = {
    Code.PARSE_ERROR,
    Code.INVALID_REQUEST,
    Code.METHOD_NOT_FOUND,
    Code.REQUEST_TOO_BIG,
    Code.NOT_READY,
    Code.BATCH_REFUSED,
    Code.BATCH_TOO_BIG,
    Code.BATCH_REPLY_TOO_BIG,
}
"""Codes of bad envelopes, which belong to no method."""


def _is_utc(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", value) is not None


_formats = FormatChecker(formats=())
_formats.checks("date-time")(_is_utc)


class Refused(Exception):
    """An error reply."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error))
        self.code = Code(error["code"])
        self.data: dict[str, Any] = error.get("data", {})

    @property
    def fields(self) -> list[str]:
        """The fields that are named as wrong."""
        return [problem["field"] for problem in self.data.get("problems", [])]


@cache
def _document() -> dict[str, Any]:
    return openrpc(app.methods(), __version__)


@cache
def _described(method: str) -> dict[str, Any] | None:
    return next((each for each in _document()["methods"] if each["name"] == method), None)


@cache
def _params_validator(method: str) -> Draft202012Validator:
    described = _described(method)
    assert described is not None, f"{method} is not in the registry; say bad=True if that is meant"
    return Draft202012Validator(
        {
            "type": "object",
            "properties": {each["name"]: each["schema"] for each in described["params"]},
            "required": [each["name"] for each in described["params"] if each["required"]],
            "additionalProperties": False,
            "components": _document()["components"],
        },
        format_checker=_formats,
    )


@cache
def _result_validator(method: str) -> Draft202012Validator:
    described = _described(method)
    assert described is not None
    schema = {**described["result"]["schema"], "components": _document()["components"]}
    return Draft202012Validator(schema, format_checker=_formats)


def _require_valid(validator: Draft202012Validator, value: object, what: str) -> None:
    wrong = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
    assert not wrong, f"{what}: {wrong}"


def check_request(method: str, params: Mapping[str, Any]) -> None:
    """Fail unless the params follow the method's published schema."""
    _require_valid(_params_validator(method), params, f"params of {method}")


def check_reply(method: str | None, reply: Mapping[str, Any]) -> None:
    """Fail unless a reply is what the registry promises. `method` is None for what was no call."""
    assert reply.get("jsonrpc") == "2.0", reply
    assert reply.keys() in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"}), reply
    if "error" in reply:
        _check_error(method, reply["error"])
        return
    found = None if method is None else app.methods().find(method)
    assert found is not None, f"a result for what is no method: {method}"
    _require_valid(_result_validator(found.name), reply["result"], f"result of {method}")
    found.result.model_validate_json(orjson.dumps(reply["result"]))
    called[found.name] += 1


def _check_error(method: str | None, error: Mapping[str, Any]) -> None:
    code = Code(error["code"])
    assert error["message"] == MESSAGES[code], error
    assert error.keys() <= {"code", "message", "data"}, error
    found = None if method is None else app.methods().find(method)
    if found is not None:
        assert code in _ANYWHERE or code in error_codes(found), f"{method} is not documented to fail with {code!r}"
    if code not in _ANYWHERE:
        assert "request_id" in error.get("data", {}), error
    if code is Code.INVALID_PARAMS:
        data = error["data"]
        assert 1 <= len(data["problems"]) <= 10, error
        assert data["problem_count"] >= len(data["problems"]), error


class Client:
    """One session."""

    def __init__(self, connection: ClientConnection, replies: list[bytes]) -> None:
        self.connection = connection
        self.pushed: list[dict[str, Any]] = []
        """What the daemon sent without being asked."""
        self._replies = replies
        self._next_id = 0
        self._waiting: dict[int | str, tuple[str, anyio.Event]] = {}
        self._answers: dict[int | str, dict[str, Any]] = {}

    async def call(self, method: str, params: Mapping[str, Any] | None = None, *, bad: bool = False) -> dict[str, Any]:
        """Call and return the result. Raises `Refused`. With `bad` the params are meant to be wrong."""
        reply = await self.ask(method, params, bad=bad)
        if "error" in reply:
            raise Refused(reply["error"])
        result: dict[str, Any] = reply["result"]
        return result

    async def ask(self, method: str, params: Mapping[str, Any] | None = None, *, bad: bool = False) -> dict[str, Any]:
        """Call and return the whole reply, checked."""
        self._next_id += 1
        number = self._next_id
        if not bad:
            check_request(method, params or {})
        request: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
        if params is not None:
            request["params"] = dict(params)
        answered = anyio.Event()
        self._waiting[number] = (method, answered)
        await self.connection.send(orjson.dumps(request).decode())
        with anyio.fail_after(ANSWER_S):
            await answered.wait()
        return self._answers.pop(number)

    async def listen(self) -> None:
        """Read frames until the connection ends; `connected` runs this."""
        async for frame in self.connection:
            data = frame.encode() if isinstance(frame, str) else frame
            self._replies.append(data)
            message = orjson.loads(data)
            assert isinstance(message, dict), message
            if "method" in message:
                self.pushed.append(message)
                continue
            method, answered = self._waiting.pop(message["id"])
            check_reply(method, message)
            self._answers[message["id"]] = message
            answered.set()


@asynccontextmanager
async def connected(
    daemon: Daemon, *, bot_tag: str = "tester", token: str | None = None, environment: str | None = None
) -> AsyncIterator[Client]:
    """Open a session with a daemon for the length of the block; the operator's token names its environment."""
    async with (
        raw_connection(daemon, bot_tag=bot_tag, token=token, environment=environment) as connection,
        anyio.create_task_group() as group,
    ):
        client = Client(connection, daemon.replies)
        group.start_soon(client.listen)
        yield client
        group.cancel_scope.cancel()


@asynccontextmanager
async def raw_connection(
    daemon: Daemon, *, bot_tag: str = "tester", token: str | None = None, environment: str | None = None
) -> AsyncIterator[ClientConnection]:
    """Open a connection on which a test may send what it likes; it reads and checks the answers itself."""
    headers = {"Authorization": f"Bearer {daemon.token if token is None else token}", "X-Bot-Tag": bot_tag}
    if environment is not None:
        headers["X-Environment"] = environment
    async with connect(
        daemon.url, additional_headers=headers, compression=None, proxy=None, max_size=None, open_timeout=ANSWER_S
    ) as connection:
        yield connection
