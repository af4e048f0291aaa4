import orjson
from hypothesis import given
from hypothesis import strategies as st

from cerberod.errors import Code
from cerberod.rpc.envelope import Batch, Malformed, Request
from cerberod.rpc.session import Session
from tests.support.small import principal, small_daemon


def session(max_request_bytes: int = 300) -> Session:
    return small_daemon().dispatcher.open_session(principal(), max_request_bytes=max_request_bytes)


def call(id: object) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": id, "method": "a.b"})


def test_an_id_is_live_until_finished() -> None:
    judged = session()
    first = judged.read(call(1))
    assert isinstance(first, Request)
    assert judged.running == 1
    second = judged.read(call(1))
    assert isinstance(second, Malformed)
    assert (second.error.code, second.id) == (Code.INVALID_REQUEST, None)
    judged.finished(first)
    assert judged.running == 0
    assert isinstance(judged.read(call(1)), Request)


def test_text_and_number_ids_are_different() -> None:
    judged = session()
    assert isinstance(judged.read(call(1)), Request)
    assert isinstance(judged.read(call("1")), Request)
    assert judged.running == 2


def test_a_notification_is_never_live() -> None:
    judged = session()
    message = judged.read(b'{"jsonrpc":"2.0","method":"a.b"}')
    assert isinstance(message, Request)
    assert judged.running == 0
    judged.finished(message)


def test_ids_in_a_batch_are_live_too() -> None:
    judged = session()
    judged.read(call(1))
    batch = judged.read(b"[" + call(1) + b"," + call(2) + b"," + call(2) + b"]")
    assert isinstance(batch, Batch)
    assert [type(item) for item in batch.items] == [Malformed, Request, Malformed]
    assert judged.running == 2


def test_requests_are_bounded_in_bytes_not_in_characters() -> None:
    judged = session(max_request_bytes=60)
    text = '{"jsonrpc":"2.0","id":1,"method":"' + "я" * 20 + '"}'
    assert len(text) < 60 < len(text.encode())
    for frame in (text, text.encode()):
        message = judged.read(frame)
        assert isinstance(message, Malformed)
        assert (message.error.code, message.error.data) == (Code.REQUEST_TOO_BIG, {"limit_bytes": 60})
    assert judged.running == 0


def test_a_request_of_exactly_the_limit_passes() -> None:
    judged = session(max_request_bytes=len(call(1)))
    assert isinstance(judged.read(call(1)), Request)


def test_what_gets_no_answer_is_counted() -> None:
    judged = session()
    judged.read(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    judged.read(b'[{"jsonrpc":"2.0","id":1,"error":{}},{"jsonrpc":"2.0","method":"a.b","params":[]}]')
    assert judged.ignored == 3


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_live_ids_are_those_admitted_and_not_finished(moves: list[tuple[bool, int]]) -> None:
    judged, live = session(), dict[int, Request]()
    for arrives, id in moves:
        if arrives:
            message = judged.read(call(id))
            assert isinstance(message, Malformed if id in live else Request)
            if isinstance(message, Request):
                live[id] = message
        elif id in live:
            judged.finished(live.pop(id))
        assert judged.running == len(live)


@given(st.text() | st.binary())
def test_no_frame_raises(frame: str | bytes) -> None:
    session().read(frame)
