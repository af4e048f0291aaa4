"""The guards of the suite catch what they are there for."""

import os
import socket
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from blockbuster import BlockingError

from cerberod.trading.records import load_or_make_key
from tests.support.guards import PRODUCT, NotLoopback

CARELESS = """
import os

async def coroutine(path):
    return plain(path)

def plain(path):
    os.fsync(path)
"""


def careless() -> dict[str, object]:
    """Return functions that stand in no file, but say that it is one of the product."""
    made: dict[str, object] = {}
    exec(compile(CARELESS, f"{PRODUCT}careless.py", "exec"), made)
    return made


@pytest.mark.promise("P10")
async def test_what_the_product_holds_the_loop_with_is_caught(tmp_path: Path) -> None:
    made = careless()
    file = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(BlockingError):
            await made["coroutine"](file)  # type: ignore[operator]  # made of text, above
        made["plain"](file)  # type: ignore[operator]  # a test may
        await anyio.to_thread.run_sync(made["plain"], file)  # type: ignore[arg-type]
    finally:
        os.close(file)


async def test_what_a_test_does_itself_is_not(tmp_path: Path) -> None:
    assert load_or_make_key(tmp_path)


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80, 0, 0)])
def test_nothing_leaves_this_machine(address: tuple[object, ...]) -> None:
    family = socket.AF_INET if len(address) == 2 else socket.AF_INET6
    with socket.socket(family) as reaching, pytest.raises(NotLoopback):
        reaching.connect(address)
