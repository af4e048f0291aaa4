"""Calculations on a caller's own numbers, each against the package that people use for it."""

from collections.abc import Iterator

from scripts.bench.contests import BARS, EXPIRIES, INDICATORS, LEVELS, POINTS, RETURNS, SERIES, STRIKES
from scripts.bench.figures import Bound, Goal, Result, result
from scripts.bench.plan import Bench

OPTIONS = EXPIRIES * STRIKES
PAIRS = SERIES * (SERIES - 1) // 2


def _measured(bench: Bench, name: str, rival: str) -> tuple[list[float], tuple[str, list[float]], float]:
    """Return milliseconds of both sides, round by round, and the share of the work that the rival did."""
    seconds = bench.effort.seconds / 10.0
    job = {"contest": name, "rounds": bench.effort.rounds, "seconds": seconds, "warmup_s": bench.effort.warmup_s}
    told = bench.contests.ask(job)
    return told["ours"], (rival, told["rival"]), told["share"]


def options(bench: Bench) -> Iterator[Result]:
    """A whole chain at once: volatilities from prices, and dealers' gamma at many levels of spot."""
    ours, rival, _ = _measured(bench, "implied_volatility", "scipy brentq, math.erfc")
    what = f"implied volatility of {OPTIONS} options"
    yield result("options", what, "ms", ours, goal=Goal(Bound.OURS_AT_MOST, 10))
    yield result(
        "options",
        f"{what}, beside a loop",
        "ms",
        ours,
        rival=rival,
        goal=Goal(Bound.RATIO_AT_MOST, 1 / 20),
        notes=["the loop prices with `math.erfc` on plain floats: scipy's `norm` or `ndtr` would take it much longer"],
    )
    ours, rival, _ = _measured(bench, "gamma_profile", "numpy, level by level")
    what = f"gamma profile, {OPTIONS} options at {LEVELS} levels"
    yield result("options", what, "ms", ours, rival=rival, goal=Goal(Bound.OURS_AT_MOST, 30))


def indicators(bench: Bench) -> Iterator[Result]:
    """Every indicator that TA-Lib has too, on a long series."""
    for name in INDICATORS:
        ours, rival, _ = _measured(bench, name, "TA-Lib, C")
        yield result("indicators", f"{name}, {BARS} bars", "ms", ours, rival=rival, goal=Goal(Bound.RATIO_AT_MOST, 3))


def series(bench: Bench) -> Iterator[Result]:
    """A fit by maximum likelihood, and the test of every pair of a universe."""
    ours, rival, _ = _measured(bench, "garch", "arch")
    what = f"GARCH(1,1) fit, {RETURNS} returns"
    yield result("series", what, "ms", ours, rival=rival, goal=Goal(Bound.RATIO_AT_MOST, 1))
    ours, rival, share = _measured(bench, "cointegration", "statsmodels coint, loop")
    yield result(
        "series",
        f"Engle-Granger of {PAIRS} pairs, {POINTS} points, 1 lag",
        "ms",
        ours,
        rival=rival,
        goal=Goal(Bound.RATIO_AT_MOST, 1 / 30),
        notes=[f"the loop was timed on {share:.2%} of the pairs, evenly spread, and its time taken for all of them"],
        rival_share=share,
    )
