"""Moments in parameters: ISO 8601 text with a zone, nothing else.

A date without a zone means another moment on every machine, so it is refused.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_LONGEST = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _InstantText:
    """A pydantic type: ISO 8601 text with a zone in, an aware moment in UTC inside."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                _write, return_schema=core_schema.str_schema()
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


def _read(value: object) -> datetime:
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str) and value.isascii() and "T" in value[:_LONGEST] and len(value) <= _LONGEST:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise _refusal() from None
    else:
        raise _refusal()
    if moment.tzinfo is None:
        raise _refusal()
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise _refusal() from None


def _write(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _refusal() -> PydanticCustomError:
    return PydanticCustomError("instant_text", "a moment as ISO 8601 text with zone, for example 2026-08-22T03:50:45Z")


Instant = Annotated[datetime, _InstantText()]
"""A moment in UTC."""


def milliseconds(moment: datetime) -> int:
    """Return a moment as venues want it: milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
