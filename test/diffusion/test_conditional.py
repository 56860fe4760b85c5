"""Sampling given a condition, with denoisers whose samples are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.diffusion.conditional import X0_CLIP, level_features, sample
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule(10)


def test_level_features_are_signal_and_noise():
    signal, noise = level_features(SCHEDULE, 4)
    assert signal**2 + noise**2 == pytest.approx(1.0)
    np.testing.assert_allclose(level_features(SCHEDULE, 0), [1.0, 0.0])


@given(st.integers(1, 10), st.floats(-4.0, 4.0))
def test_one_answer_is_the_sample_whatever_noise_and_steps(steps, value):
    noise = np.random.default_rng(steps).standard_normal((3, 4))
    found = sample(lambda noisy, level, condition: np.full(noisy.shape, value), SCHEDULE, noise, noise, steps)
    np.testing.assert_allclose(found, value, atol=1e-12)


def test_steps_go_from_the_highest_level_to_clean():
    seen = []

    def denoiser(noisy, level, condition):
        seen.append(level[0] ** 2)
        return np.zeros_like(noisy)

    sample(denoiser, SCHEDULE, np.ones((1, 2)), np.zeros((1, 1)), 3)
    # Levels 10, 7, 3 of 10 evenly strided ones.
    np.testing.assert_allclose(seen, SCHEDULE.alphas_cumprod[[10, 7, 3]])


def test_noise_decides_where_the_denoiser_leaves_something_open():
    # The best guess for standard normal data: x0 = sqrt(abar) x. DDIM maps noise to a sample that points the same way.
    denoiser = lambda noisy, level, condition: level[0] * noisy  # noqa: E731
    noise = np.random.default_rng(0).standard_normal((200, 5))
    found = sample(denoiser, SCHEDULE, noise, noise, 10)
    np.testing.assert_allclose(found / noise, found[0, 0] / noise[0, 0])
    assert found[0, 0] / noise[0, 0] > 0.0


def test_known_entries_are_seen_at_every_step_and_given_back():
    known, is_known = np.full((2, 3), 7.0), np.array([True, False, False])

    def denoiser(noisy, level, condition):
        assert (noisy[:, 0] == 7.0).all()
        return np.zeros_like(noisy)

    found = sample(denoiser, SCHEDULE, np.ones((2, 3)), np.zeros((2, 1)), 3, known, is_known)
    np.testing.assert_allclose(found, [[7.0, 0.0, 0.0]] * 2, atol=1e-12)


def test_what_no_data_shows_is_clipped():
    found = sample(lambda *_: np.full((1, 2), 100.0), SCHEDULE, np.zeros((1, 2)), np.zeros((1, 1)), 2)
    np.testing.assert_allclose(found, X0_CLIP)
