"""Stretches of time that several methods are asked about."""

from datetime import datetime

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.registry import Params
from cerberod.venues.instants import Instant

START = "Nothing before this, ISO 8601 with zone."
END = "Nothing after this, ISO 8601 with zone; later than `start`."
START_EXAMPLE = ["2026-08-20T00:00:00Z"]
END_EXAMPLE = ["2026-08-21T00:00:00Z"]


def _ends_later(end: datetime | None, info: ValidationInfo) -> datetime | None:
    start = info.data.get("start")
    if end is not None and start is not None and end <= start:
        raise PydanticCustomError("window", "later than start")
    return end


class Window(Params):
    """A stretch of time."""

    start: Instant = Field(description=START, examples=START_EXAMPLE)
    end: Instant = Field(description=END, examples=END_EXAMPLE)

    @field_validator("end")
    @classmethod
    def _ends_later(cls, end: datetime, info: ValidationInfo) -> datetime | None:
        return _ends_later(end, info)


class OpenWindow(Params):
    """A stretch of time that may have no beginning and no end."""

    start: Instant | None = Field(default=None, description=START, examples=START_EXAMPLE)
    end: Instant | None = Field(default=None, description=END + " Now when left out.", examples=END_EXAMPLE)

    @field_validator("end")
    @classmethod
    def _ends_later(cls, end: datetime | None, info: ValidationInfo) -> datetime | None:
        return _ends_later(end, info)
