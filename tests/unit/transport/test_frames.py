import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from cerberod.transport.frames import text_frame, whole_text
from tests.support.raw import frame

MOST = 4096


def sent(text: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True, mask: bool = True) -> bytes:
    """Write a frame as another implementation does, with a mask of its own choosing."""
    return Frame(opcode, text, fin).serialize(mask=mask)


def read(data: bytes) -> Frame:
    """Read a server's frame as another implementation does."""
    reader = StreamReader()
    reader.feed_data(data)
    try:
        next(Frame.parse(reader.read_exact, mask=False))
    except StopIteration as done:
        assert not reader.buffer
        frame: Frame = done.value
        return frame
    raise AssertionError("not a whole frame")


@given(st.text(st.characters(max_codepoint=127), min_size=1, max_size=300))
def test_the_text_of_a_whole_frame_is_what_was_sent(text: str) -> None:
    assert whole_text(sent(text.encode()), MOST) == text.encode()


@pytest.mark.parametrize("size", [125, 126, 127, 4088, MOST - 8])
def test_every_length_that_fits_is_recognised(size: int) -> None:
    assert whole_text(sent(b"x" * size), MOST) == b"x" * size


@given(st.binary(max_size=400), st.data())
def test_whatever_else_comes_is_left_to_the_library_and_nothing_raises(data: bytes, draw: st.DataObject) -> None:
    text = whole_text(data, MOST)
    assert text is None or frame(text)[:2] == data[:2]
    whole = sent(b'{"jsonrpc":"2.0"}')
    cut = draw.draw(st.integers(0, len(whole) - 1))
    assert whole_text(whole[:cut], MOST) is None
    assert whole_text(whole + data, MOST) is None or not data


OTHERS = {
    "binary": sent(b"x", Opcode.BINARY),
    "ping": sent(b"x", Opcode.PING),
    "continuation": sent(b"x", Opcode.CONT),
    "not final": sent(b"x", fin=False),
    "not masked": sent(b"x" * 10, mask=False),
    "beyond ASCII": sent("é".encode()),
    "not UTF-8": sent(b"\xff"),
    "reserved bit": frame(b"xyz", first=0xC1),
    "long": sent(b"x" * MOST),
    "length in eight bytes": b"\x81\xff" + (3).to_bytes(8) + bytes(4) + b"xyz",
    "two": sent(b"1") + sent(b"2"),
    "nothing": b"",
    "half a head": b"\x81",
    "empty": b"\x81\x80" + bytes(4),
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_only_one_whole_masked_short_ascii_text_is_recognised(data: bytes) -> None:
    assert whole_text(data, MOST) is None


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_what_is_written_is_a_frame_of_that_text(size: int) -> None:
    text = b"x" * size
    heard = read(text_frame(text))
    assert (heard.opcode, bytes(heard.data), heard.fin) == (Opcode.TEXT, text, True)
