"""Track records: ratios, falls and tails."""

from cerberod.analytics import performance
from cerberod.analytics.tail_risk import Shape, TailRisk, tail_risk
from cerberod.calculation.kernels.telling import basis, called, values
from cerberod.calculation.methods import performance as told


def rolling_sharpe(p: told.SharpeParams) -> told.Sharpe:
    with called(risk_free="risk_free_pct"):
        line = performance.rolling_sharpe(p.returns, p.window, p.periods_per_year, risk_free=p.risk_free_pct / 100.0)
    sharpe = values(line)
    last = sharpe.values[-1]
    convention = "Mean above the riskless return over the deviation (divisor n - 1), times sqrt(periods_per_year)."
    return told.Sharpe(
        basis=basis(p, len(p.returns), convention),
        sharpe=sharpe,
        last=last,
        reason="no_movement" if last is None else None,
    )


def sortino(p: told.SortinoParams) -> told.Sortino:
    with called(target="target_pct"):
        found = performance.sortino(p.returns, p.periods_per_year, target=p.target_pct / 100.0)
    convention = "Mean above the target over the downside deviation of all returns, times sqrt(periods_per_year)."
    return told.Sortino(
        basis=basis(p, len(p.returns), convention),
        sortino=found.ratio,
        reason=None if found.reason is None else found.reason.value,
        mean=found.mean,
        downside_deviation=found.downside_deviation,
        target=found.target,
        below_target=found.below_target,
    )


def max_drawdown(p: told.DrawdownParams) -> told.Drawdown:
    found = performance.max_drawdown(p.equity)
    reason = None
    if found.peak is None:
        reason = "no_fall"
    elif found.recovery is None:
        reason = "not_recovered"
    return told.Drawdown(
        basis=basis(p, len(p.equity), "1 - worth/highest worth so far, in percent; a loss is positive."),
        drawdown_pct=100.0 * found.depth,
        peak=found.peak,
        trough=found.trough,
        recovery=found.recovery,
        reason=reason,
        current_pct=100.0 * found.current,
    )


def var_cvar(p: told.VarParams) -> told.Tails:
    found = [tail_risk(p.returns, p.confidence, p.horizon, Shape(shape)) for shape in p.shapes]
    first = found[0]
    return told.Tails(
        basis=basis(p, len(p.returns), "Losses are positive, in the unit of the returns, for the whole horizon."),
        mean=first.mean,
        deviation=first.deviation,
        skewness=first.skewness,
        excess_kurtosis=first.excess_kurtosis,
        tails=[_tail(each, shape) for each, shape in zip(found, p.shapes, strict=True)],
    )


def _tail(found: TailRisk, shape: told.ShapeName) -> told.Tail:
    return told.Tail(
        shape=shape,
        var=found.value_at_risk,
        cvar=found.expected_shortfall,
        reason=None if found.reason is None else found.reason.value,
        observations=found.observations,
        independent=found.independent,
    )
