"""Published values of the response surfaces, and that nothing heavy is imported for having the modules."""

import subprocess
import sys

import numpy as np
import pytest

from cerberod.analytics import mackinnon
from cerberod.analytics.mackinnon import Trend

MODULES = ("cointegration", "pairs", "reversion", "hurst", "performance", "tail_risk")


def test_statsmodels_waits_until_it_is_needed() -> None:
    names = ", ".join(f"cerberod.analytics.{name}" for name in MODULES)
    program = f"import sys, {names}; print(*{{m.split('.')[0] for m in sys.modules}}, 'scipy.stats' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    words = set(done.stdout.split())
    assert not {"statsmodels", "pandas", "patsy"} & words
    assert "False" in words


@pytest.mark.parametrize(
    ("trend", "series", "expected"),
    [
        # MacKinnon 2010, table 2, the asymptotic values at 1, 5 and 10 %.
        (Trend.CONSTANT, 1, [-3.43035, -2.86154, -2.56677]),
        (Trend.CONSTANT, 2, [-3.89644, -3.33613, -3.04445]),
        (Trend.CONSTANT_AND_LINE, 2, [-4.32762, -3.78057, -3.49631]),
    ],
)
def test_critical_values_of_long_series_are_the_published_ones(
    trend: Trend, series: int, expected: list[float]
) -> None:
    np.testing.assert_allclose(mackinnon.critical_values(trend, series, 10**9), expected, rtol=1e-7)
    p_value = mackinnon.p_values(np.array(expected), trend, series)
    # Two papers sixteen years apart: the probabilities of 1994 meet the critical values of 2010 to a twentieth.
    np.testing.assert_allclose(p_value, [0.01, 0.05, 0.10], rtol=0.05)


@pytest.mark.parametrize("trend", Trend)
def test_probabilities_rise_from_0_to_1(trend: Trend) -> None:
    grid = np.linspace(-40.0, 5.0, 2_001)
    p_value = mackinnon.p_values(grid, trend, 2)
    assert (p_value[0], p_value[-1]) == (0.0, 1.0)
    # The two fitted pieces meet with a step of less than 1e-3.
    assert np.all(np.diff(p_value) >= -1e-3)
