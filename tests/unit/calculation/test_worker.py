"""The worker process: started when needed, replaced when it dies or is given up, gone when the daemon is."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import anyio
import pytest

from cerberod.calculation import working
from cerberod.calculation.methods.indicators import RSI, SMA, OnePeriod, Rsi
from cerberod.calculation.service import Calculation, CalculationFailed, Kernel
from cerberod.calculation.worker import Worker, WorkerLost
from cerberod.errors import Code, InvalidParams, RpcError


class Endless:
    """Whoever unpickles this is busy for ever."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("while True: pass",)


BUSY = pickle.dumps(Endless())
RISING = OnePeriod(close=[1.0, 2.0, 3.0, 4.0], period=2)
THERE = Kernel(SMA.module, SMA.function, SMA.params, SMA.result, inline=0)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    made = Worker(waiting=2)
    yield made
    await made.aclose()


@pytest.fixture
def calculation(worker: Worker) -> Calculation:
    return Calculation(worker, numbers_per_call=30)


async def test_the_same_comes_back_from_here_and_from_there(calculation: Calculation) -> None:
    there = await calculation.run(THERE, RISING)
    assert calculation.worker.pid is not None
    assert there == await calculation.run(SMA, RISING)
    assert there.line.values == [None, 1.5, 2.5, 3.5]
    assert [gap.model_dump() for gap in there.line.gaps] == [{"first": 0, "last": 0, "reason": "warm_up"}]


async def test_there_is_no_process_before_it_is_needed(calculation: Calculation) -> None:
    await calculation.run(SMA, RISING)
    assert calculation.worker.pid is None


@pytest.mark.parametrize("inline", [0, 1000])
async def test_what_the_arithmetic_refuses_names_field_and_rule(calculation: Calculation, inline: int) -> None:
    kernel = Kernel(RSI.module, RSI.function, RSI.params, RSI.result, inline=inline)
    with pytest.raises(InvalidParams) as refused:
        await calculation.run(kernel, Rsi(close=[1.0, -1.0, 1.0], period=2))
    assert refused.value.data["problems"] == [{"field": "close", "rule": "must be greater than 0"}]


async def test_more_numbers_than_a_call_may_hold_are_refused(calculation: Calculation) -> None:
    with pytest.raises(InvalidParams) as refused:
        await calculation.run(THERE, OnePeriod(close=[1.0] * 31, period=2))
    assert refused.value.data["problems"] == [{"field": "params", "rule": "must hold at most 30 numbers in all"}]
    assert calculation.worker.pid is None


async def test_what_fails_there_fails_here_with_its_trace(calculation: Calculation) -> None:
    absent = Kernel("indicators", "absent", OnePeriod, SMA.result, inline=0)
    with pytest.raises(CalculationFailed, match="AttributeError"):
        await calculation.run(absent, RISING)
    assert (await calculation.run(THERE, RISING)).basis.count == 4


async def test_a_killed_worker_is_replaced(calculation: Calculation) -> None:
    await calculation.run(THERE, RISING)
    first = calculation.worker.pid
    assert first is not None
    async with anyio.create_task_group() as group:

        async def lost() -> None:
            with pytest.raises(WorkerLost):
                await calculation.worker.ask(BUSY)

        group.start_soon(lost)
        await anyio.wait_all_tasks_blocked()
        os.kill(first, signal.SIGKILL)
    assert (await calculation.run(THERE, RISING)).basis.count == 4
    assert calculation.worker.pid != first


async def test_a_calculation_given_up_takes_its_process_along(calculation: Calculation) -> None:
    await calculation.run(THERE, RISING)
    first = calculation.worker.pid
    assert first is not None
    async with anyio.create_task_group() as group:
        group.start_soon(calculation.worker.ask, BUSY)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert (await calculation.run(THERE, RISING)).basis.count == 4


async def test_only_so_many_wait(worker: Worker) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(worker.ask, BUSY)
        group.start_soon(worker.ask, BUSY)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RpcError) as refused:
            await worker.ask(BUSY)
        assert refused.value.code is Code.BUSY
        group.cancel_scope.cancel()


async def test_a_closed_worker_starts_no_process(worker: Worker) -> None:
    await worker.aclose()
    with pytest.raises(RpcError) as refused:
        await worker.ask(BUSY)
    assert refused.value.code is Code.SHUTTING_DOWN
    assert worker.pid is None


def start() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, working.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize("busy", [False, True])
def test_the_process_ends_when_its_input_does(busy: bool) -> None:
    process = start()
    assert process.stdin is not None
    assert process.stdout is not None
    if busy:
        process.stdin.write(working.HEADER.pack(len(BUSY)) + BUSY)
        process.stdin.flush()
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()


def test_the_process_outlives_the_signals_of_its_group() -> None:
    process = start()
    assert process.stdin is not None
    assert process.stdout is not None
    failing = pickle.dumps(("absent", "absent", None, b""))
    for _ in range(2):  # once it answers, it has said which signals it ignores
        process.stdin.write(working.HEADER.pack(len(failing)) + failing)
        process.stdin.flush()
        (length,) = working.HEADER.unpack(process.stdout.read(working.HEADER.size))
        kind, _ = pickle.loads(process.stdout.read(length))
        assert kind == "failed"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()


async def test_the_process_is_told_nothing_of_ours(calculation: Calculation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DERIBIT_CLIENT_SECRET", "canary-in-the-environment")
    await calculation.run(THERE, RISING)
    told = await anyio.Path(f"/proc/{calculation.worker.pid}/environ").read_bytes()
    assert b"canary" not in told
    assert {each.partition(b"=")[0] for each in told.split(b"\0") if each} <= {
        b"PATH",
        b"PYTHONPATH",
        b"LC_ALL",
        b"OMP_NUM_THREADS",
        b"OPENBLAS_NUM_THREADS",
    }
