"""`python -m tests.support.dying serve …`: the whole daemon, whose recorder dies at the sign that `DIES_WITH` names."""

import os
import sys
from pathlib import Path

from cerberod.cli import main
from cerberod.trading.recording import Recorder


class Died(Exception):
    """What a bug in the lane would raise."""


if __name__ == "__main__":
    sign = Path(os.environ["DIES_WITH"])  # noqa: TID251 - a word to this entry point, not a setting
    turn = Recorder._turn

    async def dying(self: Recorder) -> None:
        await turn(self)
        if sign.exists():  # noqa: ASYNC240 - one look, in a test entry point
            raise Died("text that nobody may see")

    Recorder._turn = dying  # type: ignore[method-assign]  # the real method, with an end behind it
    sys.exit(main())
