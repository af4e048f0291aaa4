"""Runs a child whose libraries print, in Python and below it, while it speaks on the wire (faults.md 33)."""

import subprocess
import sys

CHILD = """
import ctypes, os, subprocess, sys
print("printed before the wire was claimed")
from cerberod.transport.descriptors import claim_stdio
wire = claim_stdio()
print("a library prints")
sys.stdout.flush()
os.write(1, b"somebody writes to descriptor 1\\n")
libc = ctypes.CDLL(None)
libc.puts(b"a C library prints")
libc.fflush(None)
subprocess.run(["echo", "a child prints"], check=True)
assert os.read(0, 100) == b"", "nobody else reads the wire"
assert not os.get_inheritable(wire.read_fd) and not os.get_inheritable(wire.write_fd)
os.write(wire.write_fd, b"answer to " + os.read(wire.read_fd, 100))
"""


def test_stray_prints_go_to_stderr_and_the_wire_is_unharmed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=b"question\n", capture_output=True, check=True, timeout=60
    )
    assert done.stdout == b"printed before the wire was claimed\nanswer to question\n"
    for stray in (b"a library prints", b"somebody writes", b"a C library prints", b"a child prints"):
        assert stray in done.stderr
