"""The daemon itself, made to record no write: the rival that shows what journal and audit of a write cost.

Everything else is the same: session, validation, checks, venue. Never a mode of the product.
"""

import sys
from typing import Any

from cerberod.cli import main
from cerberod.trading.recording import Recorder


async def _begun(*arguments: Any) -> None:
    """No entry holds the intent: go on."""


async def _concluded(*arguments: Any) -> bool:
    return True


if __name__ == "__main__":
    Recorder.begin = _begun  # type: ignore[method-assign, assignment]  # the point of this rival
    Recorder.conclude = _concluded  # type: ignore[method-assign, assignment]  # the point of this rival
    sys.exit(main(sys.argv[1:]))
