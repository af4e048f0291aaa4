import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.errors import Code, RpcError
from cerberod.rpc.envelope import (
    MAX_ID_INT,
    MAX_NESTED,
    Batch,
    Ignored,
    Malformed,
    Request,
    decode,
    echo,
    encode_batch,
    encode_error,
    encode_notification,
    encode_result,
    is_id,
    judge,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ids = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(32)), "\x7f"]), min_size=1, max_size=64
) | st.integers(-MAX_ID_INT + 1, MAX_ID_INT - 1)
# Members of requests, good and bad, so that mutations stay near what is judged.
nearly_requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", 2.0, None]),
        "method": st.sampled_from(["a.b", "", 1, None]) | st.text(max_size=80),
        "params": json_values,
        "id": json_values | ids,
        "result": json_values,
        "extra": json_values,
    },
)


def call(**members: object) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "method": "a.b", **members})


def rule_of(message: object) -> str:
    assert isinstance(message, Malformed)
    return str(message.error.data["rule"])


@given(st.binary() | st.text().map(str.encode))
def test_no_input_raises(text: bytes) -> None:
    assert isinstance(decode(text, max_batch=5), Request | Batch | Malformed | Ignored)


@given(json_values | nearly_requests | st.lists(nearly_requests, max_size=7))
def test_no_json_raises(value: object) -> None:
    text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS) if _dumps(value) else b"null"
    message = decode(text, max_batch=5)
    assert isinstance(message, Request | Batch | Malformed | Ignored)
    if isinstance(message, Batch):
        assert 0 < len(message.items) <= 5


def _dumps(value: object) -> bool:
    try:
        orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # integers beyond 64 bits, lone surrogates
        return False
    return True


@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 255))
def test_a_mutated_call_never_raises(tail: bytes, place: int, byte: int) -> None:
    text = bytearray(call(id=1, params={"text": "x", "number": 1.5}) + tail)
    text[place % len(text)] = byte
    decode(bytes(text), max_batch=5)


@given(ids)
def test_replies_carry_the_id_byte_for_byte(id: str | int) -> None:
    sent = orjson.dumps(id)
    request = decode(b'{"jsonrpc":"2.0","id":' + sent + b',"method":"a.b"}', max_batch=1)
    assert isinstance(request, Request)
    assert encode_result(request.id, b"{}") == b'{"jsonrpc":"2.0","id":' + sent + b',"result":{}}'
    assert encode_error(request.id, RpcError(Code.BUSY)).startswith(b'{"jsonrpc":"2.0","id":' + sent + b',"error":')


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_method_name_is_echoed_short_and_harmless(name: str) -> None:
    reply = encode_error(1, RpcError(Code.METHOD_NOT_FOUND, method=echo(name)))
    assert orjson.loads(reply)["error"]["data"]["method"] == name[:64]
    assert not any(byte < 32 for byte in reply)


def test_a_call() -> None:
    assert decode(call(id=7, params={"x": 1}), max_batch=1) == Request("a.b", {"x": 1}, 7)
    assert decode(call(id=7), max_batch=1) == Request("a.b", {}, 7)


def test_a_notification_has_no_id() -> None:
    assert decode(call(), max_batch=1) == Request("a.b", {}, None)


@pytest.mark.parametrize(
    "text", [b"", b"   ", b"{", b"{}{}", b"[1", b"nul", b"\xef\xbb\xbf{}", b'"\xff"', b'"\xed\xa0\x80"']
)
def test_what_is_no_json(text: bytes) -> None:
    message = decode(text, max_batch=5)
    assert isinstance(message, Malformed)
    assert message.error.code is Code.PARSE_ERROR
    assert message.id is None


@pytest.mark.parametrize("one", [b"[]", b"{}", b'{"a":[]}'])
def test_what_would_take_long_to_read_is_refused_unread(one: bytes) -> None:
    """faults.md 4 bounds the time of a nest; this bounds that of a megabyte of empty lists."""
    message = decode(b"[" + b",".join([one] * MAX_NESTED) + b"]", max_batch=5)
    assert isinstance(message, Malformed)
    assert message.error.code is Code.REQUEST_TOO_BIG
    assert message.error.data == {"limit_objects_and_lists": MAX_NESTED}
    few = decode(call(id=1, params={"rows": [{"a": 1}] * (MAX_NESTED - 3)}), max_batch=5)
    assert isinstance(few, Request)


def test_a_very_deep_nest_is_no_json_as_any_too_deep_is() -> None:
    message = decode(b"[" * 1_000_000, max_batch=5)
    assert isinstance(message, Malformed)
    assert message.error.code is Code.PARSE_ERROR


def test_nesting_beyond_1024_is_refused_and_1024_is_not() -> None:
    assert rule_of(decode(b'{"jsonrpc":' + b"[" * 1023 + b"]" * 1023 + b"}", max_batch=5)).startswith("jsonrpc")
    message = decode(b"[" * 1025 + b"]" * 1025, max_batch=5)
    assert isinstance(message, Malformed)
    assert message.error.code is Code.PARSE_ERROR


@pytest.mark.parametrize("id", [True, False, None, {}, [], 1.5, 2**53, -(2**53), 2**63, "", "a" * 65, "a\0", "\x7f"])
def test_ids_that_correlate_nothing(id: object) -> None:
    assert not is_id(id)
    message = judge({"jsonrpc": "2.0", "method": "a.b", "id": id})
    assert isinstance(message, Malformed)
    assert (message.error.code, message.id) == (Code.INVALID_REQUEST, None)


@pytest.mark.parametrize("version", ["1.0", 2.0, 2, None, "2"])
def test_another_version_keeps_the_id(version: object) -> None:
    message = judge({"jsonrpc": version, "method": "a.b", "id": 5})
    assert isinstance(message, Malformed)
    assert message.id == 5
    assert rule_of(message) == 'jsonrpc is exactly "2.0"'


def test_an_extra_member_is_refused() -> None:
    message = judge({"jsonrpc": "2.0", "method": "a.b", "id": 5, "parms": {}})
    assert rule_of(message) == "only jsonrpc, method, params and id are members of a request"


@pytest.mark.parametrize("params", [None, [], [1], "x", 1, True])
def test_params_are_an_object(params: object) -> None:
    message = judge({"jsonrpc": "2.0", "method": "a.b", "id": 5, "params": params})
    assert isinstance(message, Malformed)
    assert (message.error.code, message.id) == (Code.INVALID_PARAMS, 5)
    assert isinstance(judge({"jsonrpc": "2.0", "method": "a.b", "params": params}), Ignored)


@pytest.mark.parametrize("member", ["result", "error"])
def test_a_response_object_is_ignored(member: str) -> None:
    assert judge({"jsonrpc": "2.0", "id": 1, member: {}}) == Ignored()


def test_batches() -> None:
    assert rule_of(decode(b"[]", max_batch=2)) == "a batch must not be empty"
    too_big = decode(b"[1,2,3]", max_batch=2)
    assert isinstance(too_big, Malformed)
    assert (too_big.error.code, too_big.error.data) == (Code.BATCH_TOO_BIG, {"limit": 2})
    mixed = decode(b"[1," + call(id=1) + b"]", max_batch=2)
    assert isinstance(mixed, Batch)
    assert [type(item) for item in mixed.items] == [Malformed, Request]


def test_duplicate_keys_take_the_last() -> None:
    text = b'{"jsonrpc":"2.0","id":1,"method":"a.a","method":"a.b","params":{"q":1,"q":2}}'
    assert decode(text, max_batch=1) == Request("a.b", {"q": 2}, 1)


def test_errors_without_data_have_no_data_member() -> None:
    assert orjson.loads(encode_error(None, RpcError(Code.PARSE_ERROR))) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32700, "message": "Parse error"},
    }
    with_id = orjson.loads(encode_error(1, RpcError(Code.BUSY, limit=3), "r-1"))
    assert with_id["error"]["data"] == {"limit": 3, "request_id": "r-1"}


def test_pushes_and_batches_are_json() -> None:
    assert orjson.loads(encode_notification("orders.resolved", b'{"x":1}')) == {
        "jsonrpc": "2.0",
        "method": "orders.resolved",
        "params": {"x": 1},
    }
    assert orjson.loads(encode_batch([b"1", b"2"])) == [1, 2]
