"""Exact piecewise linear functions: values, roots, and sums that really vanish."""

from fractions import Fraction

import numpy as np

from cerberod.analytics.piecewise import NOTHING, Bend, Line, Piecewise, exact


def line(a: float, b: float) -> Line:
    return Line(exact(a), exact(b))


def test_numbers_are_the_decimals_they_print_as() -> None:
    assert exact(0.1) + exact(0.2) == exact(0.3)
    assert exact(1e-7) == Fraction(1, 10**7)


def test_values_left_and_right_of_each_bend() -> None:
    hat = Piecewise.of(line(-10.0, 1.0), [Bend(exact(20.0), exact(-2.0))])
    assert hat.at(np.array([0.0, 10.0, 20.0, 30.0, 40.0])).tolist() == [-10.0, 0.0, 10.0, 0.0, -10.0]


def test_roots_are_exact_and_touching_counts() -> None:
    hat = Piecewise.of(line(-10.0, 1.0), [Bend(exact(20.0), exact(-2.0))])
    assert hat.zeros() == ([Fraction(10), Fraction(30)], [])
    touching = Piecewise.of(line(-10.0, 1.0), [Bend(exact(10.0), exact(-2.0))])
    assert touching.zeros() == ([Fraction(10)], [])
    third = Piecewise.of(line(-1.0, 3.0), [])
    assert third.zeros() == ([Fraction(1, 3)], [])


def test_ranges_of_zero() -> None:
    ramp = Piecewise.of(NOTHING, [Bend(exact(5.0), exact(1.0)), Bend(exact(7.0), exact(-1.0))])
    assert ramp.zeros() == ([], [(Fraction(0), Fraction(5))])
    assert Piecewise.of(NOTHING, []).zeros() == ([], [(Fraction(0), None)])


def test_bends_that_cancel_are_gone() -> None:
    bends = [Bend(exact(5.0), exact(q)) for q in (0.1, 0.2, -0.3)]
    assert Piecewise.of(NOTHING, bends).levels == ()


def test_no_root_at_or_below_zero() -> None:
    assert Piecewise.of(line(0.0, 1.0), []).zeros() == ([], [])
    assert Piecewise.of(line(1.0, 1.0), []).zeros() == ([], [])
