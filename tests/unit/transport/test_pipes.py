import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from cerberod.transport.pipes import Reader, Writer
from tests.support.turns import until


@contextmanager
def pipe() -> Iterator[list[int]]:
    ends = list(os.pipe())
    try:
        yield ends
    finally:
        for fd in ends:
            os.close(fd)


@contextmanager
def opened(path: str, flags: int) -> Iterator[int]:
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        pytest.skip(f"no {path} on this system")
    try:
        yield fd
    finally:
        os.close(fd)


async def read_all(fd: int) -> bytes:
    return b"".join([chunk async for chunk in Reader(fd).chunks()])


async def test_a_regular_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"x" * 200_000)
    with path.open("rb") as file:
        assert await read_all(file.fileno()) == b"x" * 200_000


async def test_nothing_is_read_from_dev_null() -> None:
    with opened(os.devnull, os.O_RDONLY) as fd:
        assert await read_all(fd) == b""


async def test_a_socket_is_read_even_when_it_is_non_blocking() -> None:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        chunks = Reader(near.fileno()).chunks()
        got: list[bytes] = []

        async def read() -> None:
            got.append(await anext(chunks))

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            far.send(b"late")
        assert got == [b"late"]
        far.close()
        assert [chunk async for chunk in chunks] == []


async def test_a_terminal_that_hangs_up_is_an_end() -> None:
    leader, follower = os.openpty()
    try:
        os.close(leader)
        assert await read_all(follower) == b""
    finally:
        os.close(follower)


async def test_lines_come_out_whole() -> None:
    with pipe() as ends:
        os.write(ends[1], b"one\r\ntwo\n\nthree")
        os.close(ends.pop())
        assert [line async for line in Reader(ends[0]).lines(100)] == [b"one", b"two", b"three"]


async def test_close_is_an_end_of_input_while_nothing_comes() -> None:
    with pipe() as ends:
        reader = Reader(ends[0])
        got: list[bytes] = []

        async def read() -> None:
            got.extend([chunk async for chunk in reader.chunks()])

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            reader.close()
        assert got == []
        os.write(ends[1], b"x")  # lets the thread go; it must be gone before another test gets this descriptor
        await until(lambda: not select.select([ends[0]], [], [], 0)[0])


async def test_messages_are_written_whole_and_in_order() -> None:
    with pipe() as ends:
        writer = Writer(ends[1])
        big = b"x" * 300_000  # more than a pipe holds
        reader = Reader(ends[0]).lines(1 << 20)
        async with anyio.create_task_group() as group:
            for message in (b"1\n", big + b"\n", b"2\n"):
                group.start_soon(writer.write, message)
            assert [await anext(reader) for _ in range(3)] == [b"1", big, b"2"]


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_reader_that_is_gone_is_told_once_and_for_all(attempts: int) -> None:
    with pipe() as ends:
        os.close(ends.pop(0))
        writer = Writer(ends[0])
        assert [await writer.write(b"x\n") for _ in range(attempts)] == [False] * attempts


async def test_a_full_device_is_like_a_reader_that_is_gone() -> None:
    with opened("/dev/full", os.O_WRONLY) as fd:
        assert not await Writer(fd).write(b"x")
