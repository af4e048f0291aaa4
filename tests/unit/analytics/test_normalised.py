"""The normalised price: its identities and where it vanishes."""

import math

import numpy as np
import pytest

from cerberod.analytics import normalised


def test_at_the_money_it_is_an_error_function() -> None:
    s = np.array([1e-8, 1e-3, 0.1, 1.0, 5.0])
    assert normalised.price(np.zeros(5), s).tolist() == pytest.approx(
        [math.erf(v / (2.0 * math.sqrt(2.0))) for v in s], rel=1e-14
    )


def test_both_ways_of_computing_meet() -> None:
    """The series and the difference, and the difference and the plain formula, agree where one takes over."""
    for deviation in (0.04, 1.0):
        around = np.array([deviation * (1 - 1e-12), deviation * (1 + 1e-12)])
        for x in (-1e-9, -0.01, -0.3):
            below, above = normalised.price(np.full(2, x), around)
            assert above == pytest.approx(below, rel=1e-9)


def test_far_out_it_is_zero_and_never_negative() -> None:
    assert normalised.price(np.array([-600.0, -50.0]), np.array([0.01, 0.5])).tolist() == [0.0, 0.0]


def test_log_moneyness_keeps_its_digits_near_the_money() -> None:
    got = normalised.log_moneyness(np.array([100.0 + 1e-10]), np.array([100.0]))
    assert float(got[0]) == pytest.approx(math.log1p((100.0 + 1e-10 - 100.0) / 100.0), rel=1e-15)


def test_at_the_turning_point_it_is_the_same_price() -> None:
    """Half of the bracket is a constant there; the turns from where the series takes over to where nothing is left."""
    x = -np.geomspace(1e-18, 400.0, 500)
    turn = np.sqrt(-2.0 * x)
    np.testing.assert_allclose(normalised.price_at_turn(x, turn), normalised.price(x, turn), rtol=1e-12)
    assert normalised.price_at_turn(np.zeros(1), np.zeros(1)).tolist() == [0.0]
