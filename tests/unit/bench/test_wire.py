import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from scripts.bench.wire import PING, Answers, BadAnswer, Wire, ask, handshake, text_frame


@given(st.integers(0, 70_000))
def test_a_frame_is_what_another_implementation_reads(size: int) -> None:
    reader = StreamReader()
    reader.feed_data(text_frame(b"x" * size))
    with pytest.raises(StopIteration) as done:
        next(Frame.parse(reader.read_exact, mask=True))
    assert (done.value.value.opcode, bytes(done.value.value.data)) == (Opcode.TEXT, b"x" * size)


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_answers_are_cut_off_a_stream_however_it_comes(texts: list[bytes], chunk: int) -> None:
    stream = b"".join(Frame(Opcode.TEXT, text).serialize(mask=False) for text in texts)
    answers, heard = Answers(Wire.WEBSOCKET), list[bytes]()
    for at in range(0, len(stream), chunk):
        heard += answers.feed(stream[at : at + chunk])
    assert heard == texts


def test_pings_are_owed_a_pong_and_a_close_ends_the_measurement() -> None:
    answers = Answers(Wire.WEBSOCKET)
    assert list(answers.feed(Frame(Opcode.PING, b"ab").serialize(mask=False))) == []
    assert answers.pongs == [text_frame(b"ab", 10)]
    assert text_frame(b"", PING)[0] == 0x89
    with pytest.raises(BadAnswer, match="1008"):
        list(answers.feed(Frame(Opcode.CLOSE, (1008).to_bytes(2)).serialize(mask=False)))


def test_http_answers_are_cut_by_their_length() -> None:
    answers = Answers(Wire.HTTP)
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert list(answers.feed(one + one[:-1])) == [one]
    assert list(answers.feed(one[-1:])) == [one]
    with pytest.raises(BadAnswer, match="Content-Length"):
        list(answers.feed(b"HTTP/1.1 200 OK\r\n\r\n"))


def test_a_call_is_asked_on_either_wire() -> None:
    asked = ask(Wire.HTTP, {"X-Bot-Tag": "b"}, "a.b", {"x": 1}, 7)
    head, _, body = asked.data.partition(b"\r\n\r\n")
    assert (orjson.loads(body), asked.expected) == ({"x": 1}, b"HTTP/1.1 200 ")
    assert b"Content-Length: %d" % len(body) in head and b"X-Bot-Tag: b" in head
    assert ask(Wire.WEBSOCKET, {}, "a.b", {}, 7).expected == b'{"jsonrpc":"2.0","id":7,"result":'
    assert handshake({"Authorization": "Bearer x"}).endswith(b"Authorization: Bearer x\r\n\r\n")
