"""Whose turn it is: a line in which those stand who bring more than one small message at once.

One of the line is served in each turn of the event loop, so that a turn stays short however many peers flood us.
Whoever asks one thing at a time never stands here. Who has more to be done when served joins at the end again.
"""

import asyncio
from collections import deque
from collections.abc import Callable

Step = Callable[[], None]


class Turns:
    """A line, first come first served."""

    def __init__(self) -> None:
        self._line: deque[Step] = deque()

    def __len__(self) -> int:
        return len(self._line)

    def join(self, step: Step) -> None:
        """Run `step`, which is short, when its turn comes: in a later turn of the loop, and alone in it."""
        self._line.append(step)
        if len(self._line) == 1:
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        try:
            self._line[0]()
        finally:
            self._line.popleft()
            if self._line:
                asyncio.get_running_loop().call_soon(self._serve)
