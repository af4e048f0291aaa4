"""The guards of the suite catch what they are there for."""

import socket

import anyio
import anyio.to_thread
import pytest
from blockbuster import BlockingError

from cerberod.trading.records import load_or_make_key
from tests.support.guards import NotLoopback


async def test_what_holds_the_loop_is_caught(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("state")
    with pytest.raises(BlockingError):
        load_or_make_key(folder)
    assert await anyio.to_thread.run_sync(load_or_make_key, tmp_path_factory.mktemp("other"))


def test_outside_of_a_loop_nothing_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert load_or_make_key(tmp_path_factory.mktemp("state"))


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80, 0, 0)])
def test_nothing_leaves_this_machine(address: tuple[object, ...]) -> None:
    family = socket.AF_INET if len(address) == 2 else socket.AF_INET6
    with socket.socket(family) as reaching, pytest.raises(NotLoopback):
        reaching.connect(address)
