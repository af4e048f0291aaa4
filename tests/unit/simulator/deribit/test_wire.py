"""Frames read and written."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.simulator.deribit.wire import Request, VenueError, invalid, read_request, write_answer, write_notification


def test_reading() -> None:
    assert read_request('{"id":1.5,"method":"public/test"}') == Request("public/test", {}, 1.5, True)
    assert read_request(b'{"method":"m","params":{"a":1}}') == Request("m", {"a": 1}, None, False)
    assert read_request('{"method":"m","params":null}').params == {}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("{", -32700),
        ("", -32700),
        ("[]", -32600),
        ("3", -32600),
        ('{"method":3}', -32600),
        ('{"method":"m","id":true}', -32600),
        ('{"method":"m","id":[]}', -32600),
        ('{"method":"m","params":[1]}', -32602),
        ('{"method":"m","x":"' + "y" * 40_000 + '"}', -32600),
    ],
)
def test_refusals(raw: str, code: int) -> None:
    with pytest.raises(VenueError) as refused:
        read_request(raw)
    assert refused.value.code == code


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_a_refusal(raw: bytes) -> None:
    try:
        read_request(raw)
    except VenueError as error:
        assert error.code in (-32700, -32600, -32602)


def test_writing() -> None:
    call = Request("m", {}, "a", True)
    answer = write_answer(call, [1], us_in=5, us_out=9, testnet=True)
    assert not answer.refused
    written = orjson.loads(answer.body)
    assert written == {"jsonrpc": "2.0", "id": "a", "result": [1], "usIn": 5, "usOut": 9, "usDiff": 4, "testnet": True}
    answer = write_answer(None, invalid("x", "why"), us_in=1, us_out=1, testnet=False)
    assert answer.refused
    written = orjson.loads(answer.body)
    assert written["error"] == {"code": -32602, "message": "Invalid params", "data": {"reason": "why", "param": "x"}}
    assert "id" not in written
    assert (
        "data"
        not in orjson.loads(write_answer(call, VenueError(10004), us_in=1, us_out=1, testnet=False).body)["error"]
    )
    assert orjson.loads(write_notification("heartbeat", {"type": "heartbeat"}))["jsonrpc"] == "2.0"
