"""Numbers and envelopes."""

from decimal import Decimal

import orjson
import pytest

from cerberod.simulator.bybit.wire import Reply, VenueError, number, padded, plain, write_refusal, write_reply


@pytest.mark.parametrize(
    ("value", "text"),
    [("1E+3", "1000"), ("0.0100", "0.01"), ("-0.00", "0"), ("0E-9", "0"), ("1e-8", "0.00000001"), ("12", "12")],
)
def test_plain_numbers(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


def test_padded_and_computed_numbers() -> None:
    assert padded(Decimal("51444.4"), 2) == "51444.40"
    assert number(1e-7, 8) == "0.0000001"
    assert number(-0.0, 4) == "0"
    assert number(123456789.123456789, 2) == "123456789.12"


def test_a_success() -> None:
    body = orjson.loads(write_reply(Reply([1], message="SUCCESS", beside={"category": "option"}), 5))
    assert body == {
        "retCode": 0,
        "retMsg": "SUCCESS",
        "category": "option",
        "result": [1],
        "retExtInfo": {},
        "time": 5,
    }


def test_a_refusal() -> None:
    assert orjson.loads(write_refusal(VenueError(110007), 5)) == {
        "retCode": 110007,
        "retMsg": "ab not enough for new order",
        "result": {},
        "retExtInfo": {},
        "time": 5,
    }
    assert orjson.loads(write_refusal(VenueError(99999), 5))["retMsg"] == "error"
