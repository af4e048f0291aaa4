"""Signed reads of Bybit, by our client and by pybit in worker threads: the processor time of each.

A process of its own, told each job as one line of JSON on stdin; it tells its figures as one line on stdout. Both ask
the same stub for the same orders, so many at a time; what they get is compared before anything is timed.
"""

import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.to_thread
import orjson
from pybit.unified_trading import HTTP

from cerberod.clock import SystemClock
from cerberod.ids import Environment
from cerberod.settings.secret import Secret
from cerberod.venues.bybit.client import Bybit

KEY, SECRET = "bench-key", "bench-secret-of-36-characters-0123456"
CATEGORY = "linear"

Read = Callable[[int], Awaitable[Any]]


def _symbol(reader: int) -> str:
    """Every reader asks for another one: equal reads in flight would be one request of ours."""
    return f"COIN{reader}USDT"


def rival(url: str) -> Read:
    """Return a read by pybit, in a thread, as its own sleeps and its blocking socket demand."""
    session = HTTP(api_key=KEY, api_secret=SECRET, retry_codes={-1})
    session.endpoint = url

    async def read(reader: int) -> Any:
        def ask() -> Any:
            return session.get_open_orders(category=CATEGORY, symbol=_symbol(reader))

        return (await anyio.to_thread.run_sync(ask))["result"]

    return read


async def measure(read: Read, readers: int, seconds: float) -> dict[str, float]:
    """Read for so long, so many at a time; return the processor time of a read and how many there were a second."""
    calls = 0
    end = time.perf_counter() + seconds

    async def go_on(reader: int) -> None:
        nonlocal calls
        while time.perf_counter() < end:
            await read(reader)
            calls += 1

    began, cpu = time.perf_counter(), time.process_time()
    async with anyio.create_task_group() as group:
        for reader in range(readers):
            group.start_soon(go_on, reader)
    spent, took = time.process_time() - cpu, time.perf_counter() - began
    return {"cpu_us": spent / calls * 1e6, "per_s": calls / took, "calls": calls}


async def main() -> None:
    job = orjson.loads(await anyio.to_thread.run_sync(sys.stdin.buffer.readline))
    url = f"http://127.0.0.1:{job['port']}"
    clock = SystemClock()
    bybit = Bybit(
        url=url,
        environment=Environment.TESTNET,
        api_key=Secret(KEY),
        api_secret=Secret(SECRET),
        clock=clock,
    )

    async def ours(reader: int) -> Any:
        # Urgent ones are counted but never wait: what is measured is the client, not the venue's limit.
        answer = await bybit.read("get_open_orders", urgent=True, category=CATEGORY, symbol=_symbol(reader))
        return answer.result

    reads: dict[str, Read] = {"ours": ours, "pybit": rival(url)}
    async with anyio.create_task_group() as group:
        await group.start(bybit.run)
        assert await ours(0) == await reads["pybit"](0), "both read the same"
        while job:
            read = reads[job["who"]]
            await measure(read, job["readers"], job["warmup_s"])
            told = await measure(read, job["readers"], job["seconds"])
            sys.stdout.buffer.write(orjson.dumps(told) + b"\n")
            sys.stdout.flush()
            line = await anyio.to_thread.run_sync(sys.stdin.buffer.readline)
            job = orjson.loads(line) if line.strip() else None
        await bybit.aclose()
        group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
