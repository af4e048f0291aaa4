"""A process that speaks the small registry on stdio, and prints where it should not. Run with `python -m`."""

import ctypes
import sys

import anyio

from cerberod.clock import SystemClock
from cerberod.settings import Limits
from cerberod.transport.descriptors import claim_stdio
from cerberod.transport.stdio import StdioSession
from tests.support.small import principal, small_daemon


async def main() -> int:
    """Serve until the input ends; return the exit code."""
    wire = claim_stdio()
    print("a library prints")
    ctypes.CDLL(None).puts(b"a C library prints")
    daemon = small_daemon()
    daemon.bench.gate.set()
    async with anyio.create_task_group() as lasting:
        daemon.dispatcher.use_lasting(lasting)
        session = StdioSession(
            wire, Limits(stdio_line_bytes=4096), daemon.dispatcher, principal(transport="stdio"), SystemClock()
        )
        ending = await session.run()
    print(f"done {len(daemon.bench.done)} {ending.value}", file=sys.stderr)
    return ending.exit_code


if __name__ == "__main__":
    sys.exit(anyio.run(main, backend_options={"use_uvloop": "uvloop" in sys.argv}))
