import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.rpc.envelope import decode
from cerberod.transport.bridge import Owed, is_answered
from tests.support.small import principal, small_daemon

CALL = b'{"jsonrpc":"2.0","id":1,"method":"test.subtract","params":{"minuend":2,"subtrahend":1}}'
NOTE = b'{"jsonrpc":"2.0","method":"test.echo","params":{"text":"x"}}'

LINES = {
    CALL: True,
    NOTE: False,
    b"x": True,
    b"[]": True,
    b"[1]": True,
    b"[" + NOTE + b"," + NOTE + b"]": False,
    b"[" + NOTE + b"," + CALL + b"]": True,
    b'{"jsonrpc":"2.0","id":1,"result":{}}': False,
    b'[{"jsonrpc":"2.0","id":1,"result":{}}]': False,
    b"[" + b",".join([NOTE] * 21) + b"]": True,
    b'{"jsonrpc":"2.0","method":"test.echo","params":[]}': False,
}


@pytest.mark.parametrize(("line", "answered"), LINES.items())
async def test_the_bridge_expects_answers_where_the_daemon_gives_them(line: bytes, answered: bool) -> None:
    assert is_answered(decode(line, max_batch=20)) is answered
    dispatcher = small_daemon().dispatcher
    session = dispatcher.open_session(principal())
    assert (await dispatcher.answer(session, session.read(line)) is not None) is answered


def test_what_is_owed_is_counted() -> None:
    owed = Owed(20)
    assert owed.nothing.is_set()
    owed.asked(CALL)
    owed.asked(NOTE)
    owed.asked(b"x")
    assert (owed.count, owed.nothing.is_set()) == (2, False)
    owed.heard('{"jsonrpc":"2.0","method":"orders.resolved","params":{}}')
    owed.heard('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}')
    assert owed.count == 1
    owed.heard("no JSON at all")
    assert (owed.count, owed.nothing.is_set()) == (0, True)


@given(st.lists(st.sampled_from([*LINES, "answer"]), max_size=30))
def test_what_is_owed_is_never_below_nothing(moves: list[bytes | str]) -> None:
    owed = Owed(20)
    for move in moves:
        if isinstance(move, bytes):
            owed.asked(move)
        else:
            owed.heard(orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": {}}).decode())
        assert owed.count >= 0
        assert owed.nothing.is_set() is (owed.count == 0)
