"""The noise of collection: its scale, its pauses, and legs that fold without leaving the plane of the knee."""

import numpy as np
import pytest

from diffusion_mpc_ros.training.action_noise import ActionNoise, NoiseGenerator
from diffusion_mpc_ros.training.walking_env import ACTION_SCALE


def draw(config: ActionNoise, robots: int, ticks: int) -> np.ndarray:
    """``(ticks, robots, 4, 3)`` [rad]."""
    noise = NoiseGenerator(robots, config, np.random.default_rng(0))
    return np.stack([noise.step() for _ in range(ticks)]).reshape(ticks, robots, 4, 3)


def test_noise_has_its_scale_whatever_the_correlation():
    config = ActionNoise(clean=0.0, scale=(0.4, 0.4 + 1e-9), autoregressive=0.5, bursts=0.0, folding=0.0)
    drawn = draw(config, robots=200, ticks=140)[40:]  # the autoregressive noise has reached its stationary variance
    # 240000 numbers, correlated over about 12 ticks: the standard deviation is known to about 1 %.
    assert drawn.std() == pytest.approx(0.4 * ACTION_SCALE, rel=0.03)


def test_a_clean_robot_has_no_noise_of_either_kind():
    assert not draw(ActionNoise(clean=1.0, folding=1.0), robots=20, ticks=50).any()


def test_legs_fold_in_pairs_as_far_as_the_configuration_says_and_are_left_alone_between():
    config = ActionNoise(clean=0.0, scale=(0.0, 1e-12), folding=1.0, fold=0.5, fold_ticks=(10, 11))
    drawn = draw(config, robots=500, ticks=60)
    calf = drawn[..., 2]
    np.testing.assert_allclose(drawn[..., 1], -0.5 * calf, atol=1e-9)
    assert np.abs(drawn[..., 0]).max() < 1e-9
    np.testing.assert_allclose(calf[..., 0], calf[..., 1], atol=1e-9)
    np.testing.assert_allclose(calf[..., 2], calf[..., 3], atol=1e-9)
    # Ten ticks of smoothing by 0.3 reach 1 - 0.7^10 = 97 % of a fold that is uniform within 0.5 rad.
    largest = np.abs(calf).max()
    assert 0.45 < largest <= 0.5
    # The first pause begins at tick 9 (counted from 0) and ends at 19; at its end 0.7^10 = 3 % is left of a fold.
    assert np.abs(calf[18]).max() < 0.03
    begun = np.abs(calf[28, :, 0] - calf[28, :, 2])
    assert np.median(begun) > 0.1, "front and rear legs fold by their own amounts"


def test_bursts_draw_their_own_scales_up_to_that_of_their_robot():
    config = ActionNoise(
        clean=0.0, scale=(0.05, 2.5), per_burst=True, bursts=1.0, burst_ticks=(20, 21), autoregressive=0.0, folding=0.0
    )
    generator = NoiseGenerator(400, config, np.random.default_rng(0))
    drawn = np.stack([generator.step() for _ in range(200)]) / ACTION_SCALE  # (ticks, robots, 12)
    # Bursts of 20 ticks from ticks 39, 79, 119 on; 240 numbers each tell the scale to about 5 %.
    scales = np.stack([drawn[start : start + 20].std(axis=(0, 2)) for start in (39, 79, 119)])
    assert (drawn[19:39] == 0.0).all()
    assert (scales <= 1.2 * generator.scale).all() and scales.min() > 0.03
    # Log-uniform: the median of the robots is the geometric mean of the range.
    assert np.median(generator.scale) == pytest.approx(np.sqrt(0.05 * 2.5), rel=0.25)
    assert (np.ptp(scales, axis=0) > 0.2 * scales.mean(axis=0)).mean() > 0.8
