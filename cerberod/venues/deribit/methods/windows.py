"""What a reading of trades says of itself."""

from datetime import datetime
from typing import Any

from pydantic import Field

from cerberod.rpc.registry import Result
from cerberod.venues.deribit.tape import Tape
from cerberod.venues.windows import AS_OF, PAGES, OpenWindow


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
