"""Frames: exact digits out, nothing taken on trust in."""

from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.errors import BadVenueData
from cerberod.trading.money import MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS, plain
from cerberod.venues.deribit.wire import frames
from cerberod.venues.deribit.wire.frames import Answer, Notification, Refused, Reply, Unusable, read, request, signature

amounts = st.builds(
    lambda whole, fraction: Decimal(f"{whole}.{fraction}" if fraction else whole),
    st.integers(0, 10**MAX_WHOLE_DIGITS - 1).map(str),
    st.text("0123456789", max_size=MAX_FRACTION_DIGITS),
)


def test_the_golden_signature() -> None:
    told = signature("AMANDASECRECT", 1576074319000, "1iqt2wls")
    assert told == "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1"


def test_a_request_is_plain_json_rpc_without_absent_params() -> None:
    frame = request(7, "private/buy", {"amount": Decimal(10), "price": None, "label": "x", "post_only": False})
    assert frame == (
        b'{"jsonrpc":"2.0","id":7,"method":"private/buy","params":{"amount":10,"label":"x","post_only":false}}'
    )


@given(amounts)
def test_a_decimal_goes_out_with_exactly_its_own_digits(number: Decimal) -> None:
    frame = request(1, "private/buy", {"amount": number})
    assert f'"amount":{plain(number)}}}'.encode() in frame
    assert "e" not in plain(number).lower()
    orjson.loads(frame)


@pytest.mark.parametrize("text", ["1E+2", "1E-7", "0.1", "100000000000000000.000000000001"])
def test_no_decimal_goes_out_with_an_exponent(text: str) -> None:
    number = Decimal(text)
    assert f'"x":{number:f}}}'.encode() in request(1, "m", {"x": number})


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), object(), b"bytes", {1, 2}])
def test_what_is_no_json_is_not_sent(value: object) -> None:
    with pytest.raises(TypeError):
        request(1, "m", {"x": value})


def test_an_answer_keeps_its_id_result_and_stamps() -> None:
    told = read('{"jsonrpc":"2.0","id":3,"result":{"a":1},"usIn":1000,"usOut":2500,"usDiff":1500,"testnet":true}')
    assert told == Reply(3, Answer({"a": 1}, 1000, 2500, True))
    assert isinstance(told, Reply)
    assert isinstance(told.body, Answer)
    assert told.body.stamp().microsecond == 2000


def test_an_answer_without_a_time_has_no_stamp_to_give() -> None:
    answer = Answer({}, None, None, None)
    assert answer.as_of is None
    with pytest.raises(BadVenueData, match="unusable"):
        answer.stamp()


def test_a_result_of_null_or_a_number_is_a_result() -> None:
    assert read('{"id":1,"result":null}') == Reply(1, Answer(None, None, None, None))
    assert read('{"id":1,"result":3}') == Reply(1, Answer(3, None, None, None))


def test_a_refusal_keeps_its_code_and_data() -> None:
    told = read('{"id":1,"error":{"code":13009,"message":"unauthorized","data":{"reason":"invalid_token"}}}')
    assert told == Reply(1, Refused(13009, {"reason": "invalid_token"}, None, None, None))


@pytest.mark.parametrize("stamp", ["-1", "1e400", "1.5", "true", '"1"', "99999999999999999999"])
def test_a_stamp_that_is_no_time_counts_as_absent(stamp: str) -> None:
    if stamp == "1e400":
        with pytest.raises(BadVenueData):
            read(f'{{"id":1,"result":1,"usOut":{stamp}}}')
    else:
        assert read(f'{{"id":1,"result":1,"usOut":{stamp}}}') == Reply(1, Answer(1, None, None, None))


def test_news_are_told_from_answers() -> None:
    told = read('{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}')
    assert told == Notification("heartbeat", {"type": "test_request"})
    assert isinstance(told, Notification)
    assert told.wants_test
    quiet = read('{"method":"heartbeat","params":[1]}')
    assert isinstance(quiet, Notification)
    assert not quiet.wants_test


@pytest.mark.parametrize("id", ["null", '"1"', "1.5", "true", "-1", "99999999999999999999"])
def test_an_answer_to_an_id_we_never_use_matches_nothing(id: str) -> None:
    with pytest.raises(BadVenueData):
        read(f'{{"id":{id},"result":1}}')


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_bytes_do_more_than_be_refused(data: bytes | str) -> None:
    try:
        read(data)
    except BadVenueData as refused:
        assert refused.data["field"] in ("frame", "id")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
members = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("id", "result", "error", "method", "params", "usIn", "usOut", "testnet"), json_values),
)


@given(members)
def test_no_object_does_more_than_be_unusable(message: dict[str, object]) -> None:
    try:
        data = orjson.dumps(message)
    except TypeError:  # integers beyond 64 bits
        return
    try:
        told = read(data)
    except BadVenueData:
        return
    assert isinstance(told, Notification) or isinstance(told.body, Answer | Refused | Unusable)


def test_the_module_names_its_limits() -> None:
    assert frames.MAX_REQUEST_BYTES == 32_000
