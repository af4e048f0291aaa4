"""The envelope of every answer: retCode, result, retExtInfo, time. Tolerates what was seen to vary, and no more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.venues.bybit.errors import VENUE

_FAR_MS = 32_503_708_800_000


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was understood as far as its envelope."""

    code: int
    result: Any
    ext: Any
    """retExtInfo: of a batch, `{"list": [{"code", "msg"}, …]}`, one for each order."""
    time_ms: int | None
    """When the venue answered, by its own clock; None where the answer does not say."""

    @property
    def codes(self) -> list[Any]:
        """The code of each order of a batch, as far as the answer has any; unchecked."""
        listed = self.ext.get("list") if isinstance(self.ext, dict) else None
        return [row.get("code") for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []

    def stamp(self) -> datetime:
        """Return when the venue answered. Raises `BadVenueData` where the answer does not say."""
        if self.time_ms is None:
            raise BadVenueData(VENUE, "time", "milliseconds since 1970")
        return from_ms(self.time_ms)


def read(body: bytes) -> Answer:
    """Take one answer apart, or raise `BadVenueData`."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadVenueData(VENUE, "answer", "JSON") from None
    if not isinstance(found, dict):
        raise BadVenueData(VENUE, "answer", "a JSON object")
    code = found.get("retCode")
    if type(code) is not int:
        raise BadVenueData(VENUE, "retCode", "an integer")
    time = found.get("time")
    return Answer(
        code,
        found.get("result"),
        found.get("retExtInfo"),
        time if type(time) is int and 0 <= time < _FAR_MS else None,
    )
