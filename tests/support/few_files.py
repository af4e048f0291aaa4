"""`python -m tests.support.few_files serve …`: the daemon with as many descriptors as FEW_FILES says, and no more."""

import os
import resource
import sys

from cerberod.cli import main

if __name__ == "__main__":
    most = int(os.environ.pop("FEW_FILES"))  # noqa: TID251 - told to this wrapper, not to the daemon
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.exit(main())
