"""A moment in params is text with a zone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from cerberod.venues.instants import Instant

MOMENT: TypeAdapter[datetime] = TypeAdapter(Instant)


@pytest.mark.parametrize(
    "text", ["2026-08-22T03:50:45Z", "2026-08-22T05:50:45+02:00", "2026-08-22T03:50:45.000+00:00", "20260822T035045Z"]
)
def test_any_zone_is_read_as_the_same_moment(text: str) -> None:
    assert MOMENT.validate_python(text, strict=True) == datetime(2026, 8, 22, 3, 50, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-08-22T03:50:45",
        "2026-08-22",
        "yesterday",
        "",
        1_787_370_645,
        None,
        True,
        "2026-08-22T03:50:45Z" + " " * 90,
        "２026-08-22T03:50:45Z",
        "0001-01-01T00:00:00+23:59",
    ],
)
def test_what_is_not_one_moment_everywhere_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="ISO 8601 text with zone"):
        MOMENT.validate_python(value)


def test_it_is_written_in_utc_with_z() -> None:
    moment = datetime(2026, 8, 22, 5, 50, tzinfo=timezone(timedelta(hours=2)))
    assert MOMENT.dump_python(MOMENT.validate_python(moment), mode="json") == "2026-08-22T03:50:00Z"
