"""GARCH(1,1) by maximum likelihood: how volatile the next bars will be, given how volatile the last ones were.

The model: a return is `mean + e`, `e` normal with variance `h`, and `h[t] = omega + alpha e[t-1]^2 + beta h[t-1]`.
Source: T. Bollerslev, "Generalized autoregressive conditional heteroskedasticity", Journal of Econometrics 31(3), 1986.
The variance before the sample, which stands for both `e^2` and `h` there, is the mean of the first 75 squared
deviations from the sample mean, weighted by powers of 0.94: the convention of Python's `arch`, so that likelihoods
compare.

Likelihood and gradient are exact and come from two passes of the blocked recursion; the fit runs on returns divided by
their standard deviation, and over persistence and alpha's share of it, so that `alpha + beta <= 1` is a plain bound,
which it may reach. This module takes returns, not
prices, and knows no calendar.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics import arrays
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.bars import number, whole
from cerberod.analytics.descent import Ending, Found, lowest
from cerberod.analytics.recursion import recursion
from cerberod.errors import AnalyticsRefused

LEAST_RETURNS = 100
"""With fewer the likelihood is flat in every direction; even several hundred leave beta uncertain."""

_BACKCAST_LENGTH, _BACKCAST_DECAY = 75, 0.94
_LEAST_OMEGA = 1e-8
_STATIONARY = 1.0 - 1e-6
_NO_SHOCKS = 1e-8
_PERSISTENCES = (0.5, 0.8, 0.95, 0.995)
_ALPHAS = (0.02, 0.05, 0.1, 0.2)
_TRIAL, _LIMIT = 3, 200
"""Iterations of a search after which it may be given up, and of one that must end."""
_APART = 0.02
_LN_TWO_PI = 1.8378770664093453
_total = np.add.reduce
"""`np.sum` without its wrapping, which takes longer than to add up a thousand numbers."""


class Mean(StrEnum):
    """The expected return: a constant fitted with the rest, or zero."""

    CONSTANT = "constant"
    ZERO = "zero"


@dataclass(frozen=True, slots=True, eq=False)
class Garch:
    """A fitted GARCH(1,1) and its forecast.

    `mean` is a log return for one bar, `omega` and all variances are for one bar, volatilities are fractions a year.
    `persistence` is alpha + beta, `half_life` the bars after which half of a shock to variance is left; that and the
    unconditional values are `None` where they do not exist: at persistence 1 ("integrated"), and the half-life where
    alpha is 0, because no shock lasts then (and beta means nothing).
    `variances` are those of the returns given; `forecast_variances[k]` is that of the bar k + 1 steps on,
    `forecast_volatilities` the same annualised, `term_volatilities[k]` the volatility of the next k + 1 bars together.
    """

    mean: float
    omega: float
    alpha: float
    beta: float
    persistence: float
    half_life: float | None
    unconditional_variance: float | None
    unconditional_volatility: float | None
    log_likelihood: float
    observations: int
    ending: Ending
    iterations: int
    variance_targeting: bool
    mean_kind: Mean
    periods_per_year: float
    variances: FloatArray
    forecast_variances: FloatArray
    forecast_volatilities: FloatArray
    term_volatilities: FloatArray

    @property
    def converged(self) -> bool:
        return self.ending is Ending.CONVERGED


class Parameters(NamedTuple):
    """In the unit of the returns: `mean` of them, `omega` of their square."""

    mean: float
    omega: float
    alpha: float
    beta: float


def backcast(returns: FloatArray, mean: float) -> float:
    """Return the variance taken to hold before the first return."""
    early = (returns[:_BACKCAST_LENGTH] - mean) ** 2
    weights = _BACKCAST_DECAY ** np.arange(early.size)
    return float(early @ weights / weights.sum())


def filtered(returns: FloatArray, parameters: Parameters, before: float) -> FloatArray:
    """Return the conditional variance of each return; `before` is the variance ahead of the first."""
    mean, omega, alpha, beta = parameters
    squares = (returns[:-1] - mean) ** 2
    return recursion(omega + alpha * squares, beta, 1.0, omega + (alpha + beta) * before)


def log_likelihood(returns: FloatArray, parameters: Parameters, before: float) -> float:
    """Return the Gaussian log-likelihood, all constants included."""
    h = filtered(returns, parameters, before)
    e = returns - parameters.mean
    return -0.5 * float(np.sum(np.log(2.0 * np.pi * h) + e * e / h))


def fit(
    returns: ArrayLike,
    periods_per_year: float,
    horizon: int = 1,
    *,
    mean_kind: Mean = Mean.CONSTANT,
    variance_targeting: bool = False,
) -> Garch:
    """Return the most likely GARCH(1,1) for log returns (fractions for one bar, oldest first) and its forecast.

    At least 100 returns, `horizon` from 1 to 10 000 bars. `variance_targeting` fixes omega so that the unconditional
    variance is the sample's (mean of squared deviations), and with it the mean at the sample's; only alpha and beta are
    fitted then, below persistence 1. Source: R. Engle and J. Mezrich, "GARCH for groups", Risk 9(8), 1996. Returns that
    do not vary are refused. The forecast is Bollerslev 1986's: `h[T+k] = v + (alpha + beta)^(k-1) (h[T+1] - v)`.
    """
    r = arrays.series("returns", arrays.finite("returns", returns), least=LEAST_RETURNS)
    horizon = whole("horizon", horizon, 1, 10_000)
    per_year = number("periods_per_year", periods_per_year, 0.1, 1e9)
    if not np.all(np.abs(r) <= 50.0):
        raise AnalyticsRefused("returns", "must not move by more than a factor of e^50 in one bar")
    unit = float(r.std())
    if unit <= max(1e-14, 1e-12 * float(np.abs(r).max())):
        raise AnalyticsRefused("returns", "must vary: there is no volatility to fit")
    model = _Likelihood(r / unit, mean_kind, variance_targeting)
    found = model.search()
    scaled = model.parameters(found.point)
    parameters = Parameters(unit * scaled.mean, unit * unit * scaled.omega, scaled.alpha, scaled.beta)
    return _described(
        r, parameters, unit * unit * model.before, found, horizon, per_year, mean_kind, variance_targeting
    )


class _Likelihood:
    """The mean negative log-likelihood of scaled returns, as a function of the parameters that are free."""

    def __init__(self, returns: FloatArray, mean_kind: Mean, targeting: bool) -> None:
        self._returns = returns
        self._targeting = targeting
        centre = float(returns.mean())
        match mean_kind:
            case Mean.CONSTANT:
                self._free_mean, self._mean = not targeting, centre
            case Mean.ZERO:
                self._free_mean, self._mean = False, 0.0
            case _:
                assert_never(mean_kind)
        self._variance = float(np.mean((returns - self._mean) ** 2))
        self.before = backcast(returns, self._mean)

    def parameters(self, point: FloatArray) -> Parameters:
        """Return all four parameters of a point of the search: ([mean], [omega], persistence, alpha's share of it)."""
        *rest, total, share = point.tolist()
        alpha, beta = total * share, total * (1.0 - share)
        if self._targeting:
            return Parameters(self._mean, self._variance * (1.0 - total), alpha, beta)
        return Parameters(rest[0] if self._free_mean else self._mean, rest[-1], alpha, beta)

    def _point(self, alpha: float, total: float) -> FloatArray:
        if self._targeting:
            return np.array([total, alpha / total])
        point = [self._variance * (1.0 - total), total, alpha / total]
        return np.array([self._mean, *point] if self._free_mean else point)

    def __call__(self, point: FloatArray) -> tuple[float, FloatArray]:
        """Return objective and gradient.

        The gradient runs through time backwards: `pull[t]` is what the objective gains from each h[t], directly and by
        all that follow, and one such series serves every parameter.
        """
        e, squares, h = self._variances(point)
        _, _, alpha, beta = self.parameters(point)
        scaled = squares / h
        by_h = (1.0 - scaled) / h
        pull = recursion(by_h[-2::-1], beta, 1.0, by_h[-1])[::-1]
        later = pull[1:]
        # Summed by numpy: a matrix product's last digit may depend on how many threads share it.
        at_start = self.before * pull[0]
        natural = np.array(
            [
                -2.0 * alpha * _total(later * e[:-1]) - 2.0 * _total(e / h),
                _total(pull),
                _total(later * squares[:-1]) + at_start,
                _total(later * h[:-1]) + at_start,
            ]
        )
        natural *= 0.5 / e.size
        scaled += np.log(h)
        value = 0.5 * (float(_total(scaled)) / e.size + _LN_TWO_PI)
        return value, _through(self._turn(point), natural)

    def information(self, point: FloatArray) -> FloatArray:
        """Return Fisher's information for one return: the expected second derivatives of the objective.

        Source: G. Fiorentini, G. Calzolari and L. Panattoni, "Analytic derivatives and the computation of GARCH
        estimates", Journal of Applied Econometrics 11(4), 1996.
        """
        e, squares, h = self._variances(point)
        _, _, alpha, beta = self.parameters(point)
        inputs = np.empty((4, e.size - 1))
        np.multiply(-2.0 * alpha, e[:-1], out=inputs[0])
        inputs[1] = 1.0
        inputs[2] = squares[:-1]
        inputs[3] = h[:-1]
        slopes = recursion(inputs, beta, 1.0, np.array([0.0, 1.0, self.before, self.before]))
        slopes /= h
        natural = np.einsum("it,jt->ij", slopes, slopes) * (0.5 / e.size)
        natural[0, 0] += float(np.mean(1.0 / h))
        turn = self._turn(point)
        out: FloatArray = turn @ natural @ turn.T
        return out

    def _variances(self, point: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return deviations from the mean, their squares, and the conditional variances."""
        mean, omega, alpha, beta = self.parameters(point)
        e = self._returns - mean
        squares = e * e
        inputs = alpha * squares[:-1]
        inputs += omega
        return e, squares, recursion(inputs, beta, 1.0, omega + (alpha + beta) * self.before)

    def _turn(self, point: FloatArray) -> FloatArray:
        """Return what (mean, omega, alpha, beta) gain, in columns, from each free parameter, in rows."""
        total, share = point[-2:].tolist()
        turn = np.array(
            [
                [1.0, 0.0, 0.0, 0.0],
                [0.0, 1.0, 0.0, 0.0],
                [0.0, -self._variance if self._targeting else 0.0, share, 1.0 - share],
                [0.0, 0.0, total, -total],
            ]
        )
        return turn[2:] if self._targeting else turn[0 if self._free_mean else 1 :]

    def _worth(self, point: FloatArray) -> float:
        _, squares, h = self._variances(point)
        squares /= h
        squares += np.log(h)
        return float(_total(squares))

    def search(self) -> Found:
        """Return the best maximum found.

        Where clusters are weak the likelihood has several hills, so each persistence sends its likeliest start. The
        best of them goes to its end; every other is followed until it is near an end that is known, or at its own.
        """
        begun = [self._descend(min(starts, key=self._worth), _TRIAL) for starts in self._starts()]
        begun.sort(key=lambda found: found.value)
        steps = sum(found.iterations for found in begun)
        ends: list[Found] = []
        for found in begun:
            left = _LIMIT
            while left > 0 and found.ending is Ending.ITERATION_LIMIT and not _near(found, ends):
                found = self._descend(found.point, _TRIAL if ends else left)
                steps += found.iterations
                left -= found.iterations
            if not _near(found, ends):
                ends.append(found)
        return min(ends, key=lambda found: found.value)._replace(iterations=steps)

    def _starts(self) -> list[list[FloatArray]]:
        return [[self._point(alpha, total) for alpha in _ALPHAS] for total in _PERSISTENCES]

    def _descend(self, start: FloatArray, iterations: int) -> Found:
        lower, upper = [0.0, 0.0], [_STATIONARY if self._targeting else 1.0, 1.0]
        if not self._targeting:
            lower, upper = [_LEAST_OMEGA, *lower], [10.0 * self._variance, *upper]
        if self._free_mean:
            lower, upper = [float(self._returns.min()), *lower], [float(self._returns.max()), *upper]
        return lowest(self, start, self.information(start), np.array(lower), np.array(upper), iterations=iterations)


def _near(found: Found, ends: list[Found]) -> bool:
    return any(float(np.max(np.abs(found.point - end.point))) <= _APART for end in ends)


def _through(turn: FloatArray, natural: FloatArray) -> FloatArray:
    out: FloatArray = _total(turn * natural, axis=1)
    return out


def _described(
    returns: FloatArray,
    parameters: Parameters,
    before: float,
    found: Found,
    horizon: int,
    per_year: float,
    mean_kind: Mean,
    targeting: bool,
) -> Garch:
    mean, omega, alpha, beta = parameters
    variances = filtered(returns, parameters, before)
    persistence = alpha + beta
    following = omega + alpha * float(returns[-1] - mean) ** 2 + beta * float(variances[-1])
    long_run = omega / (1.0 - persistence) if persistence < _STATIONARY else None
    forecast = recursion(np.full(horizon - 1, omega), persistence, 1.0, following)
    terms = np.cumsum(forecast) / np.arange(1.0, horizon + 1.0)
    return Garch(
        mean=mean,
        omega=omega,
        alpha=alpha,
        beta=beta,
        persistence=persistence,
        half_life=float(np.log(0.5) / np.log(persistence)) if alpha > _NO_SHOCKS and long_run is not None else None,
        unconditional_variance=long_run,
        unconditional_volatility=None if long_run is None else float(np.sqrt(long_run * per_year)),
        log_likelihood=log_likelihood(returns, parameters, before),
        observations=returns.size,
        ending=found.ending,
        iterations=found.iterations,
        variance_targeting=targeting,
        mean_kind=mean_kind,
        periods_per_year=per_year,
        variances=variances,
        forecast_variances=forecast,
        forecast_volatilities=np.sqrt(forecast * per_year),
        term_volatilities=np.sqrt(terms * per_year),
    )
