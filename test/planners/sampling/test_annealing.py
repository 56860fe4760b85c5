"""The sampling kernels against equation 7, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.planners.sampling.annealing import Annealing


def test_kernels_by_hand() -> None:
    sigmas = Annealing(iterations=2, trajectory_factor=0.5, horizon_factor=0.9).sigmas(3)
    # The last knot has the widest kernel; the second iteration halves all of them.
    np.testing.assert_allclose(sigmas, [[0.81, 0.9, 1.0], [0.405, 0.45, 0.5]])


@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.5, 0.5), (1.0, 2.0)])
def test_temperatures_are_those_of_equation_7(beta_1: float, beta_2: float) -> None:
    iterations, knots = 4, 6
    factors = math.exp(-0.5 / (beta_1 * iterations)), math.exp(-0.5 / (beta_2 * (knots - 1)))
    sigmas = Annealing(iterations, *factors).sigmas(knots)
    for iteration in range(iterations):
        i = iterations - iteration  # the paper counts down from N
        for h in range(knots):
            exponent = -(iterations - i) / (beta_1 * iterations) - (knots - 1 - h) / (beta_2 * (knots - 1))
            assert sigmas[iteration, h] ** 2 == pytest.approx(math.exp(exponent))


def test_without_annealing_every_kernel_is_the_same() -> None:
    np.testing.assert_array_equal(Annealing(3, 1.0, 1.0, scale=0.2).sigmas(4), np.full((3, 4), 0.2))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"iterations": 0}, "0 iterations; at least 1"),
        ({"trajectory_factor": 1.5}, r"trajectory_factor = 1.5 is not within \(0, 1\]"),
        ({"horizon_factor": 0.0}, "horizon_factor = 0.0"),
        ({"scale": math.inf}, "scale = inf"),
    ],
)
def test_kernels_that_make_no_sense_are_refused(values: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Annealing(**values)
