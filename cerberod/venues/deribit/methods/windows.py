"""Stretches of time that several methods are asked about, and what a reading of one says of itself."""

from datetime import datetime
from typing import Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.registry import Params, Result
from cerberod.venues.deribit.history import milliseconds
from cerberod.venues.deribit.tape import Tape
from cerberod.venues.instants import Instant

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


class OfTape(Result):
    """What a reading of trades says of itself."""

    as_of: datetime = Field(description=AS_OF)
    count: int = Field(description="How many there are.")
    pages: int = Field(description=PAGES)
    has_more: bool = Field(description="Whether the window has more than were asked for.")
    next_start: datetime | None = Field(
        description="The `start` that goes on behind these without gap or repeat; null when nothing follows or when "
        "no `start` was given."
    )


def of_tape(found: Tape[Any], window: OpenWindow) -> dict[str, Any]:
    """Return the fields of `OfTape`."""
    return {
        "as_of": found.as_of,
        "count": len(found.trades),
        "pages": found.pages,
        "has_more": found.has_more,
        "next_start": found.next_start() if window.start is not None else None,
    }
