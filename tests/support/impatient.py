"""`python -m tests.support.impatient serve …`: the whole daemon, which waits for nothing longer than it must.

The pauses between attempts to reconnect and to look an outcome up are cut short, and how long a request waits for a
connection: a matrix of bad days would otherwise spend its time in them. Their lengths have tests of their own. What is
worth waiting for it waits for: an answer until a test lets it give up, as `giving_up` does, and what was open before a
mass cancel.
"""

import sys
from typing import Any

from cerberod.cli import main
from cerberod.trading import resolving
from cerberod.venues.backoff import Backoff
from cerberod.venues.bybit.methods import cancels as bybit_cancels
from cerberod.venues.deribit import client
from cerberod.venues.deribit.link import Link
from cerberod.venues.deribit.methods import cancels as deribit_cancels
from tests.support.giving_up import give_up_when_told

LONGEST_S = 0.2
PATIENCE_SHARE = 0.01
LOOK_BEFORE_S = 30.0


def hurry_reconnects() -> None:
    """Let a lost connection be replaced at once, also where the venue asked us to stay away."""
    made, held = Link.__init__, Link.hold

    def wrapped(self: Link, **given: Any) -> None:
        made(self, **given | {"backoff": Backoff(lambda: 0.0, first_s=0.02, cap_s=LONGEST_S)})

    def wrapped_hold(self: Link, seconds: float) -> None:
        held(self, min(seconds, LONGEST_S))

    Link.__init__ = wrapped  # type: ignore[method-assign]  # the real object, with a shorter pause
    Link.hold = wrapped_hold  # type: ignore[method-assign]  # the real method, told a shorter time


if __name__ == "__main__":
    hurry_reconnects()
    give_up_when_told()
    client._PATIENCE_SHARE = PATIENCE_SHARE
    deribit_cancels._LOOK_BEFORE_S = bybit_cancels._LOOK_BEFORE_S = LOOK_BEFORE_S
    resolving.EAGER_S = LONGEST_S
    sys.exit(main())
