"""The worker process: takes calculations from its standard input, one at a time, and writes what they come to.

It is this file run as a program, in an environment of its own without any secret. It ends when its input ends, in the
middle of a calculation too, so that it never outlives the daemon, however that died. Signals meant for the daemon's
whole group do not end it: the daemon finishes its calls first.
"""

import os
import pickle
import signal
import struct
import threading
import traceback
from contextlib import suppress
from importlib import import_module
from queue import SimpleQueue
from typing import Any, BinaryIO

from cerberod.errors import AnalyticsRefused

HEADER = struct.Struct("<I")
"""Each message is its length and then that many bytes, a pickle; only the daemon and its own child speak this."""
KERNELS = "cerberod.calculation.kernels"
BEHIND_THE_LOOP = 5
"""Niceness: where both want the processor, the daemon's event loop goes first."""


def answer(job: bytes) -> tuple[str, Any]:
    """Run one calculation: what it returned, what it refused, or the trace of how it failed."""
    try:
        module, function, model, params = pickle.loads(job)
        kernel = getattr(import_module(f"{KERNELS}.{module}"), function)
        return "result", kernel(model.__pydantic_validator__.validate_json(params, strict=True))
    except AnalyticsRefused as refusal:
        return "refused", refusal.args
    except Exception:  # told to the daemon, whose log it belongs in
        return "failed", traceback.format_exc()


def _read(wire: BinaryIO, jobs: "SimpleQueue[bytes]") -> None:
    while len(header := wire.read(HEADER.size)) == HEADER.size:
        jobs.put(wire.read(HEADER.unpack(header)[0]))
    os._exit(0)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(PermissionError):  # a service's sandbox may forbid it; the loop then shares as the kernel pleases
        os.nice(BEHIND_THE_LOOP)
    jobs: SimpleQueue[bytes] = SimpleQueue()
    with os.fdopen(os.dup(0), "rb") as wire_in, os.fdopen(os.dup(1), "wb") as wire_out:
        os.dup2(2, 1)  # what a library prints must not end up between the answers
        threading.Thread(target=_read, args=(wire_in, jobs), daemon=True).start()
        while True:
            reply = pickle.dumps(answer(jobs.get()), pickle.HIGHEST_PROTOCOL)
            try:
                wire_out.write(HEADER.pack(len(reply)) + reply)
                wire_out.flush()
            except BrokenPipeError:
                os._exit(0)


if __name__ == "__main__":
    main()
