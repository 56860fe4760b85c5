"""Which networks are not beaten, how sure a mean error is, how big a network is: by hand and by their properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from diffusion_mpc_ros.commands.networks import Config, bootstrap_interval, mark_pareto, pareto, robot_errors
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.matrix_products import network_size
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS
from diffusion_mpc_ros.training.networks import NetworkConfig, build_denoiser

POINTS = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=1, max_size=8)


def test_pareto_by_hand():
    # The second is slower and worse than the first, the third slower but better; nothing is known of the last.
    assert pareto([(2.0, 0.06), (3.0, 0.07), (9.0, 0.05), (1.0, None)]) == [True, False, True, False]
    assert pareto([(1.0, 1.0), (1.0, 1.0)]) == [True, True]
    assert pareto([]) == []


@given(POINTS)
def test_every_point_is_matched_by_one_that_is_not_beaten(points):
    best = [point for point, marked in zip(points, pareto(points), strict=True) if marked]
    for point in points:
        assert any(all(a <= b for a, b in zip(other, point)) for other in best)
    for first in best:
        assert not any(a != first and all(x <= y for x, y in zip(a, first)) for a in best)


def row(time: float, error: float | None, survival: float = 1.0) -> dict:
    return {"plan": {"guided": {"p50_ms": time}}, "walks": [{"velocity_error": error, "survival": survival}]}


def test_a_network_that_falls_is_beaten_by_one_that_stands():
    rows = [row(2.0, 0.06), row(2.0, 0.06, survival=0.9), row(1.0, 0.05, survival=0.5), row(0.5, None, survival=0.0)]
    mark_pareto(rows)
    assert [entry["walks"][0]["pareto"] for entry in rows] == [True, False, True, False]


def test_a_robots_error_counts_from_settling_to_its_fall():
    error = np.full((SETTLING_TICKS + 4, 3), 9.0)
    error[SETTLING_TICKS:] = [[0.1, 0.2, np.nan], [0.3, 0.4, np.nan], [0.1, np.nan, np.nan], [0.3, np.nan, np.nan]]

    class Scores:
        planar_error = error

    np.testing.assert_allclose(robot_errors(Scores()), [0.2, 0.3, np.nan])


def test_the_interval_of_a_mean():
    rng = np.random.default_rng(0)
    errors = rng.normal(0.06, 0.01, size=(8, 32))
    low, high = bootstrap_interval(errors)
    # Standard error 0.01 / sqrt(256) = 0.000625, 95 %: 2 x 1.96 of it = 0.00245.
    assert low < errors.mean() < high
    assert high - low == pytest.approx(0.00245, rel=0.15)
    # Commands differ, robots do not: nothing to be unsure of.
    assert bootstrap_interval(np.repeat([[0.1], [0.5]], 5, axis=1)) == pytest.approx([0.3, 0.3])
    assert bootstrap_interval(np.array([[0.1, np.nan]])) == pytest.approx([0.1, 0.1])
    assert bootstrap_interval(np.full((2, 3), np.nan)) is None


def test_the_size_of_the_shipped_network_by_hand():
    size = network_size(build_denoiser(NetworkConfig("residual_mlp", 512, 3), 12), 12)
    # 720 -> 512, six layers of 512 -> 512, 512 -> 684; four norms of 2 x 512.
    weights, biases = 720 * 512 + 6 * 512 * 512 + 512 * 684, 7 * 512 + 684
    assert size == {"parameters": weights + biases + 4 * 1024, "step_flops": 2 * weights}


def test_the_flops_of_a_transformer_by_hand():
    network: nn.Module = build_denoiser(NetworkConfig("transformer", 64, 1), 12)
    # Each of 12 rows: 60 -> 64 -> 57, 64 -> 192, 64 -> 64, 64 -> 256 -> 64; two heads: 12 x 32 by 32 x 12 and back.
    rows = 12 * (60 * 64 + 64 * 57 + 64 * 192 + 64 * 64 + 2 * 64 * 256)
    assert network_size(network, 12)["step_flops"] == 2 * (rows + 2 * 2 * 12 * 32 * 12)


def test_the_flops_of_a_mixer_by_hand():
    # Each of 12 rows: 60 -> 16 -> 57 and 16 -> 64 -> 16; each of 16 channels: 12 rows -> 8 -> 12.
    products = 12 * (60 * 16 + 16 * 57 + 2 * 16 * 64) + 16 * 2 * 12 * 8
    assert network_size(build_denoiser(NetworkConfig("mixer", 16, 1), 12), 12)["step_flops"] == 2 * products


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"robots": 0}, "robots"),
        ({"plans": 0}, "plans"),
        ({"delays": (3,)}, r"delays \[3\]"),
        ({"commands": ()}, "commands"),
        ({"backend": "abacus"}, "abacus"),
    ],
)
def test_nothing_to_measure_is_refused(settings, named):
    with pytest.raises(ConfigurationError, match=named):
        Config(artefacts=("go2",), **settings)
