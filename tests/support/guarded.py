"""`python -m tests.support.guarded serve …`: the daemon, in which every call that would hold its event loop raises."""

import os
import sys

from cerberod.cli import main
from tests.support.guards import no_blocking_calls

if __name__ == "__main__":
    with no_blocking_calls():
        status = main()
        sys.stdout.flush()
        sys.stderr.flush()
        # The guard has changed built-in types under the interpreter, which does not always survive its end.
        os._exit(status)
