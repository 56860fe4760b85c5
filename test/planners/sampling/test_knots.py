"""Splines through knots: against SciPy's own evaluation, and what shifting a plan must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.planners.sampling.knots import Knots


@st.composite
def knots(draw) -> Knots:
    degree = draw(st.integers(1, 3))
    horizon = draw(st.integers(degree + 2, 24))
    return Knots(horizon, draw(st.integers(degree + 1, horizon)), degree)


def test_linear_knots_by_hand() -> None:
    # Knots at rows 0, 2, 4: the rows between them are half way.
    rows = Knots(5, 3, 1).rows(np.array([[0.0], [4.0], [2.0]]))
    np.testing.assert_allclose(rows[:, 0], [0.0, 2.0, 4.0, 3.0, 2.0])


@given(knots())
def test_the_spline_goes_through_its_knots_at_the_ends(spline: Knots) -> None:
    values = np.random.default_rng(0).standard_normal((spline.count, 2))
    rows = spline.rows(values)
    assert rows.shape == (spline.horizon, 2)
    np.testing.assert_allclose(rows[[0, -1]], values[[0, -1]], atol=1e-9)


@given(knots(), st.floats(-2.0, 2.0), st.floats(-0.2, 0.2))
def test_a_straight_line_is_met_exactly(spline: Knots, start: float, slope: float) -> None:
    line = start + slope * np.arange(spline.horizon)[:, None]
    np.testing.assert_allclose(spline.rows(spline.fitted(line)), line, atol=1e-8)


@given(knots())
def test_fitting_what_knots_make_gives_the_knots_back(spline: Knots) -> None:
    values = np.random.default_rng(1).standard_normal((2, spline.count, 3))
    np.testing.assert_allclose(spline.fitted(spline.rows(values)), values, atol=1e-7)


def test_a_shifted_plan_begins_where_the_old_one_was() -> None:
    spline = Knots(11, 5, 2)
    values = np.random.default_rng(2).standard_normal((5, 1))
    shifted = spline.shifted(values, 2, np.zeros(1))
    # Row 0 of the new plan is executed: it has to be row 2 of the old one.
    np.testing.assert_allclose(shifted[0], spline.rows(values)[2])
    np.testing.assert_allclose(spline.shifted(values, 0, np.zeros(1)), values, atol=1e-9)


def test_shifted_past_its_end_a_plan_is_its_end() -> None:
    shifted = Knots(11, 5, 2).shifted(np.ones((5, 2)), 20, np.array([0.5, -0.5]))
    np.testing.assert_allclose(shifted, np.tile([0.5, -0.5], (5, 1)), atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((11, 2, 2), "2 knots over 11 rows: a spline of degree 2 needs 3 to 11 knots"),
        ((4, 5, 2), "5 knots over 4 rows"),
        ((11, 5, 4), "a spline of degree 4; there is 1 linear"),
    ],
)
def test_knots_that_do_not_fit_are_refused(arguments: tuple[int, int, int], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Knots(*arguments)
