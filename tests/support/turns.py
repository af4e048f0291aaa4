"""Waiting for what a part under test brings about by itself and has no event for."""

from collections.abc import Callable

import anyio


async def until(condition: Callable[[], bool]) -> None:
    """Give the loop turns until a condition holds; fail when that takes a minute."""
    with anyio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - the part under test has no event to wait for
            await anyio.sleep(0.001)
