"""A whole option chain from end to end: the venue's answer read, calculated by the worker, told to the caller."""

from collections.abc import Iterator
from typing import Any

from scripts.bench.chain import OPTIONS
from scripts.bench.figures import Bound, Goal, Result, result
from scripts.bench.plan import Bench, Server

PROFILE, SURFACE, CHAIN = "deribit.get_dealer_gamma_profile", "deribit.get_vol_surface", "deribit.get_option_chain"
PARAMS = [{"currency": "BTC"}]
CALLS = 12
"""Calls a round: all rounds together stay within what the venue allows at once, which would be measured else."""
_NO_BUDGET = {"LIMIT_COST_SOFT": "100000000", "LIMIT_COST_HARD": "1000000000"}
"""A chain is dear: what one session may spend is not what is measured."""


def chains(bench: Bench) -> Iterator[Result]:
    """One caller who waits for each answer; cold is the first chain of a daemon's life, which starts the worker."""

    def one(server: Server, method: str, **more: Any) -> dict[str, Any]:
        return bench.load(server.job("latency", method, params=PARAMS, **more))

    def started() -> Server:
        return bench.start_daemon(["-m", "cerberod"], keys=True, **_NO_BUDGET)

    cold = [
        one(started(), PROFILE, most=1, seconds=20, warmup_s=0)["p50_us"] / 1000 for _ in range(bench.effort.rounds)
    ]
    yield result("chains", f"gamma profile, {OPTIONS} options from the venue, first of a daemon", "ms", cold)
    measured: dict[str, tuple[str, Goal | None]] = {
        PROFILE: ("gamma profile", Goal(Bound.OURS_AT_MOST, 30)),
        CHAIN: ("chain with greeks, every row told", None),
        SURFACE: ("SVI surface", None),
    }
    for method, (what, goal) in measured.items():
        server = started()
        one(server, method, most=1, seconds=20, warmup_s=0)
        told = [one(server, method, most=CALLS, warmup_s=0) for _ in range(bench.effort.rounds)]
        yield result(
            "chains",
            f"{what}, {OPTIONS} options from the venue, warm",
            "ms",
            [each["p50_us"] / 1000 for each in told],
            goal=goal,
            notes=["the venue's writing of half a megabyte, on the load's core, is part of it"] if goal else [],
            p99_ms=[each["p99_us"] / 1000 for each in told],
        )
