from dataclasses import replace

import anyio
import pytest

from cerberod.clock import SystemClock
from cerberod.transport.readiness import ClientHealth, Probe, Probed, Readiness, ask_all, conclude

WELL = ClientHealth("deribit", "testnet", True, 1.0, None)
UNWELL = ClientHealth("bybit", "testnet", False, None, "disconnected")


@pytest.mark.parametrize(
    ("serving", "can_record", "clients", "expected"),
    [
        (True, True, [], Readiness.READY),
        (True, True, [WELL], Readiness.READY),
        (True, True, [WELL, UNWELL], Readiness.DEGRADED),
        (True, True, [replace(WELL, reason="clock_offset")], Readiness.DEGRADED),
        (True, False, [WELL], Readiness.NOT_READY),
        (False, True, [WELL], Readiness.NOT_READY),
        (False, False, [UNWELL], Readiness.NOT_READY),
    ],
)
def test_conclusions(serving: bool, can_record: bool, clients: list[ClientHealth], expected: Readiness) -> None:
    assert conclude(serving=serving, can_record=can_record, clients=clients) is expected


async def test_probes_are_asked_all_at_once_and_in_bounded_time() -> None:
    together, asked = anyio.Event(), list[str]()

    async def meets() -> Probed:
        asked.append("meets")
        if len(asked) == 2:
            together.set()
        await together.wait()
        return Probed(True)

    async def hangs() -> Probed:
        await anyio.sleep_forever()
        raise AssertionError

    async def tells() -> Probed:
        return Probed(False, "no_credentials", 12.5)

    probes = [
        Probe("deribit", "testnet", meets),
        Probe("deribit", "mainnet", meets),
        Probe("bybit", "testnet", hangs),
        Probe("alpaca", "testnet", tells),
    ]
    found = await ask_all(probes, SystemClock(), deadline_s=0.5)
    assert [(client.exchange, client.env) for client in found] == [
        ("alpaca", "testnet"),
        ("bybit", "testnet"),
        ("deribit", "mainnet"),
        ("deribit", "testnet"),
    ]
    alpaca, bybit, mainnet, testnet = found
    assert (alpaca.healthy, alpaca.latency_ms, alpaca.reason) == (False, 12.5, "no_credentials")
    assert (bybit.healthy, bybit.latency_ms, bybit.reason) == (False, None, "probe_timed_out")
    assert mainnet.healthy and testnet.healthy
    assert mainnet.latency_ms is not None


async def test_without_venues_there_is_nothing_to_ask() -> None:
    assert await ask_all([], SystemClock()) == []
