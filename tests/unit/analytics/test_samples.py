"""What a statistic may trust about its observations."""

import numpy as np
import pytest

from cerberod.analytics import samples
from cerberod.errors import AnalyticsRefused


@pytest.mark.parametrize("value", [[0.1] * 10, [0.0] * 3, [1e75] * 7, [1e8, 1e8 * (1 + 1e-15), 1e8]])
def test_a_constant_series_is_refused_even_where_its_mean_is_rounded(value: list[float]) -> None:
    with pytest.raises(AnalyticsRefused, match=r"^x: must not be constant$"):
        samples.moving("x", value, 3)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ([1.0, float("nan"), 2.0], "must be finite"),
        ([1.0, float("inf"), 2.0], "must be finite"),
        ([1.0, 1e200, 2.0], "must be finite"),
        ([1.0, 2.0], "must be a list of at least 3"),
        ([[1.0, 2.0, 3.0]], "must be a list of at least 3"),
        (["a", "b", "c"], "must hold numbers only"),
    ],
)
def test_what_is_no_series_is_refused_by_name(value: object, rule: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        samples.moving("x", value, 3)  # type: ignore[arg-type]  # what a caller may send
    assert (refused.value.field, refused.value.rule) == ("x", rule)


@pytest.mark.parametrize("scale", [1e-70, 1.0, 1e70])
def test_spread_and_standard_form_at_any_scale(scale: float) -> None:
    x = scale * np.array([1.0, -2.0, 4.0, 0.5])
    np.testing.assert_allclose(samples.spread(x), scale * np.std([1.0, -2.0, 4.0, 0.5]), rtol=1e-14)
    z = samples.standardised(x)
    np.testing.assert_allclose([z.mean(), z.std()], [0.0, 1.0], atol=1e-15)
