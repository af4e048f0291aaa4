"""`python -m tests.support.sandboxed WORDS`: the daemon behind the system call filter of its own unit.

The unit is read, its groups are spelled out by systemd's own tool, and the kernel enforces them on this process
and its children, as it would under systemd: a call that is not in the list fails with EPERM.
"""

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

from cerberod.cli import main

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "cerberod.service"
LIBRARY = "libseccomp.so.2"
_ALLOW = 0x7FFF0000
_FAIL_WITH = 0x00050000
_UNKNOWN = -1


def groups() -> tuple[set[str], set[str]]:
    """Return what the unit allows, and what it takes out again."""
    allowed, denied = {"@default"}, set[str]()
    for line in UNIT.read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "SystemCallFilter":
            (denied if value.startswith("~") else allowed).update(value.removeprefix("~").split())
    return allowed, denied


def calls(names: set[str]) -> set[str]:
    """Spell out groups of system calls by systemd's own tables."""
    found: set[str] = set()
    for name in names:
        if not name.startswith("@"):
            found.add(name)
            continue
        told = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
        lines = (line.strip() for line in told.stdout.splitlines()[1:])
        found |= calls({line for line in lines if line and not line.startswith("#")})
    return found


def enforce(allowed: set[str]) -> None:
    """Let the kernel refuse everything else to this process from now on."""
    seccomp = ctypes.CDLL(LIBRARY)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    filter = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_FAIL_WITH | errno.EPERM)))
    for name in sorted(allowed):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number != _UNKNOWN and seccomp.seccomp_rule_add(filter, ctypes.c_uint32(_ALLOW), number, 0) not in (0, -34):
            raise OSError(f"no rule for {name}")
    if seccomp.seccomp_load(filter) != 0:
        raise OSError("the filter cannot be loaded")


if __name__ == "__main__":
    allowed, denied = groups()
    enforce(calls(allowed) - calls(denied))
    try:
        os.nice(1)
    except PermissionError:
        sys.exit(main(sys.argv[1:]))
    sys.exit("the filter is not in force")
