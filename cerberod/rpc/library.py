"""The only file that knows jsonrpcserver: it speaks the protocol for batches and for everything odd.

It is given one already judged message at a time: our own decoding and our own judge of what is well formed, because
its decoder takes `NaN` as an id and its default checks cost four times as much. None of its texts reaches the wire.
"""

import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

with warnings.catch_warnings():
    # It reads its schema at import in a way that the standard library gave up.
    warnings.simplefilter("ignore", DeprecationWarning)
    from jsonrpcserver import Success, async_dispatch_to_response

from cerberod.rpc.envelope import Malformed, Request, encode_error

Run = Callable[[Request], Awaitable[bytes | None]]


class _Invalid(Exception):
    """Tells jsonrpcserver that a message is not a request; says nothing more."""


async def answer_by_library(message: Request | Malformed, run: Run) -> bytes | None:
    """Answer one message that is not part of a batch, or one item of a batch. None when it is a notification."""
    response = await async_dispatch_to_response(
        message,
        _AnyMethod(message, run),
        deserializer=_as_object,
        validator=_check,
    )
    if isinstance(message, Malformed):
        return encode_error(message.id, message.error)
    return None if response is None else response._value.result


def _as_object(message: Request | Malformed) -> dict[str, Any] | Malformed:
    """Give jsonrpcserver the parsed form it would have read from text."""
    if isinstance(message, Malformed):
        return message
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": message.method, "params": message.params}
    return body if message.id is None else {**body, "id": message.id}


def _check(value: dict[str, Any] | Malformed) -> dict[str, Any]:
    if isinstance(value, Malformed):
        raise _Invalid
    return value


class _AnyMethod(Mapping[str, Callable[..., Awaitable[Any]]]):
    """A method table that has every name: what exists is decided, logged and told by the dispatcher alone."""

    def __init__(self, message: Request | Malformed, run: Run) -> None:
        self._message = message
        self._run = run

    def __getitem__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def bound(**params: Any) -> Any:
            assert isinstance(self._message, Request)
            return Success(await self._run(self._message))

        return bound

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
