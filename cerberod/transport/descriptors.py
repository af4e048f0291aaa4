"""Takes descriptors 0 and 1 for the wire, so that nothing else in the process can speak on it by accident.

Two of the venue SDKs print to stdout, and C libraries do not ask Python. After `claim_stdio` descriptor 1 is a copy of
stderr, descriptor 0 reads nothing, and the real ones live under numbers that no library knows and no child inherits.
"""

import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wire:
    """The descriptors of the wire."""

    read_fd: int
    write_fd: int


def claim_stdio() -> Wire:
    """Move stdin and stdout away and put harmless ones in their place."""
    sys.stdout.flush()  # what was printed before belongs to whoever printed it
    wire = Wire(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return wire
