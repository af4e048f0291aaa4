"""`python -m tests.support.impatient serve …`: the whole daemon, which waits for nothing longer than it must.

The pauses between attempts to reconnect and to look an outcome up are cut short, and how long a request waits for a
connection: a matrix of bad days would otherwise spend its time in them. Their lengths have tests of their own. What is
worth waiting for it waits for: an answer until a test lets it give up, as `giving_up` does, and what was open before a
mass cancel.
"""

import sys

from cerberod.cli import main
from cerberod.trading import resolving
from cerberod.venues.bybit.methods import cancels as bybit_cancels
from cerberod.venues.deribit import client
from cerberod.venues.deribit.methods import cancels as deribit_cancels
from tests.support.giving_up import give_up_when_told, hurry_reconnects

LONGEST_S = 0.2
PATIENCE_SHARE = 0.01
LOOK_BEFORE_S = 30.0


if __name__ == "__main__":
    hurry_reconnects(LONGEST_S)
    give_up_when_told()
    client._PATIENCE_SHARE = PATIENCE_SHARE
    deribit_cancels._LOOK_BEFORE_S = bybit_cancels._LOOK_BEFORE_S = LOOK_BEFORE_S
    resolving.EAGER_S = LONGEST_S
    sys.exit(main())
