import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.transport.lines import LineSplitter


def split(*chunks: bytes, limit: int = 10) -> list[bytes]:
    splitter = LineSplitter(limit)
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.end()


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a\r\nb\r\n"], [b"a", b"b"]),
        ([b"a", b"b", b"\nc\n"], [b"ab", b"c"]),
        ([b"a\r", b"\nb\n"], [b"a", b"b"]),
        ([b"\n\r\n  \n\t\na\n"], [b"a"]),
        ([b"a\nrest"], [b"a", b"rest"]),
        ([b"a\nrest\r"], [b"a", b"rest"]),
        ([b""], []),
        ([b"x" * 10 + b"\n"], [b"x" * 10]),
        ([b"x" * 10 + b"\r\n"], [b"x" * 10]),
        ([b"x" * 10, b"\r", b"\n"], [b"x" * 10]),
    ],
)
def test_lines(chunks: list[bytes], lines: list[bytes]) -> None:
    assert split(*chunks) == lines


@pytest.mark.parametrize("size", [11, 12, 13, 1000])
@pytest.mark.parametrize("step", [1, 5, 10_000])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_line_too_long_comes_out_too_long_and_the_next_one_whole(size: int, step: int, ending: bytes) -> None:
    data = b"y" * size + ending + b"next\n"
    too_long, following = split(*(data[start : start + step] for start in range(0, len(data), step)))
    assert 10 < len(too_long) <= 12
    assert following == b"next"


def test_blanks_beyond_the_limit_are_no_blank_line() -> None:
    (line,) = split(b" " * 50 + b"x\n")
    assert len(line) > 10


@given(st.lists(st.binary(max_size=30), max_size=20), st.integers(1, 20))
def test_cutting_the_input_elsewhere_changes_nothing(chunks: list[bytes], limit: int) -> None:
    whole = b"".join(chunks)
    assert split(*chunks, limit=limit) == split(whole, limit=limit)
    expected = [line.removesuffix(b"\r") for line in whole.split(b"\n")]
    assert [line for line in split(whole, limit=limit) if len(line) <= limit] == [
        line for line in expected if len(line) <= limit and line.strip()
    ]


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_what_is_held_is_bounded(chunks: list[bytes]) -> None:
    splitter = LineSplitter(10)
    for chunk in chunks:
        splitter.feed(chunk)
        assert splitter.buffered <= 12
