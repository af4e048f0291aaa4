"""Lets `python -m cerberod` do what the command `cerberod` does."""

import sys

from cerberod.cli import main

if __name__ == "__main__":
    sys.exit(main())
