"""Stretches of time that methods of every venue are asked about."""

from datetime import datetime

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.registry import Params
from cerberod.venues.instants import Instant, milliseconds

AS_OF = "When the venue answered, by its own stamp of the answer; what it tells of may be older."
PAGES = "How many requests they cost."
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

    @property
    def bounds_ms(self) -> tuple[int | None, int | None]:
        """Both ends in milliseconds since 1970."""
        start, end = self.start, self.end
        return None if start is None else milliseconds(start), None if end is None else milliseconds(end)
