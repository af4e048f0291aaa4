"""Notices the death of the parent process, which no event announces.

End of input usually tells it too, but not while some other process holds the writing end of the pipe open.
"""

import os
from collections.abc import Callable

import anyio

POLL_S = 1.0


async def parent_gone(parent: Callable[[], int] = os.getppid) -> None:
    """Return once this process belongs to another parent than at the time of the call."""
    born_of = parent()
    while parent() == born_of:  # noqa: ASYNC110 - the kernel hands an orphan over without a word
        await anyio.sleep(POLL_S)
