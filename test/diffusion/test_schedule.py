"""The noise schedule against its closed form, Bayes' rule, and the independent schedulers of `diffusers`."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule(steps=10)
LEVELS = st.integers(0, 10)


def test_alphas_cumprod_follow_the_closed_form():
    def f(k):
        return np.cos((k / 10 + 0.008) / 1.008 * np.pi / 2) ** 2

    expected = [f(k) / f(0) for k in range(10)]
    np.testing.assert_allclose(SCHEDULE.alphas_cumprod[:10], expected, rtol=1e-12)
    assert SCHEDULE.alphas_cumprod[0] == 1.0
    # The last beta would be 1 and is capped: abar_10 = abar_9 * (1 - 0.999).
    assert SCHEDULE.alphas_cumprod[10] == pytest.approx(SCHEDULE.alphas_cumprod[9] * 1e-3)
    assert (np.diff(SCHEDULE.alphas_cumprod) < 0).all()


@given(LEVELS, LEVELS)
def test_ddpm_transition_is_the_posterior_by_bayes_rule(a, b):
    a, b = max(a, b), min(a, b)
    c_x0, c_tau, sigma, variance = SCHEDULE.transition(np.array([a]), np.array([b]))[0]
    assert sigma**2 == pytest.approx(variance, abs=1e-15)
    if a == b:
        assert (c_x0, c_tau, variance) == (0.0, 1.0, 0.0)
    elif b == 0:
        assert (c_x0, c_tau, variance) == pytest.approx((1.0, 0.0, 0.0))
    else:
        # Prior x_b | x_0 ~ N(sqrt(abar_b) x_0, 1 - abar_b); likelihood x_a | x_b ~ N(sqrt(alpha) x_b, 1 - alpha).
        abar_a, abar_b = SCHEDULE.alphas_cumprod[[a, b]]
        alpha = abar_a / abar_b
        precision = 1 / (1 - abar_b) + alpha / (1 - alpha)
        assert variance == pytest.approx(1 / precision)
        assert c_x0 == pytest.approx(np.sqrt(abar_b) / (1 - abar_b) / precision)
        assert c_tau == pytest.approx(np.sqrt(alpha) / (1 - alpha) / precision)


@given(LEVELS, LEVELS, st.floats(-3, 3), st.floats(-3, 3))
def test_ddim_keeps_the_noise_that_the_sample_holds(a, b, x0, noise):
    a, b = max(a, b), min(a, b)
    abar = SCHEDULE.alphas_cumprod
    x_a = np.sqrt(abar[a]) * x0 + np.sqrt(1 - abar[a]) * noise
    c_x0, c_tau, sigma, _ = SCHEDULE.transition(np.array([a]), np.array([b]), "ddim")[0]
    assert sigma == 0.0
    assert c_x0 * x0 + c_tau * x_a == pytest.approx(np.sqrt(abar[b]) * x0 + np.sqrt(1 - abar[b]) * noise, abs=1e-9)


@pytest.mark.parametrize("num_steps", [10, 5])
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_a_run_equals_the_reference_scheduler(sampler, num_steps):
    settings = {
        "num_train_timesteps": 10,
        "trained_betas": SCHEDULE.betas,
        "prediction_type": "sample",
        "clip_sample": False,
        "timestep_spacing": "trailing",
    }
    reference = DDPMScheduler(**settings) if sampler == "ddpm" else DDIMScheduler(**settings)
    reference.set_timesteps(num_steps)
    x0, tau = torch.randn(2, 4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected, actual = tau, tau
    levels = SCHEDULE.levels(num_steps)
    assert levels[:-1].tolist() == [int(t) + 1 for t in reference.timesteps]
    for step, timestep in enumerate(reference.timesteps):
        prediction = torch.tanh(x0 + 0.1 * expected)
        expected = reference.step(
            prediction, timestep, expected, generator=torch.Generator().manual_seed(step)
        ).prev_sample
        noise = torch.randn(4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
        c_x0, c_tau, sigma, _ = SCHEDULE.transition(levels[[step]], levels[[step + 1]], sampler)[0]
        actual = c_x0 * torch.tanh(x0 + 0.1 * actual) + c_tau * actual + sigma * noise
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_rows_are_independent():
    table = SCHEDULE.transition(np.array([10, 4, 0]), np.array([7, 3, 0]))
    for row, (a, b) in enumerate([(10, 7), (4, 3), (0, 0)]):
        np.testing.assert_array_equal(table[row], SCHEDULE.transition(np.array([a]), np.array([b]))[0])


def test_levels_are_strided_from_start_to_clean():
    assert SCHEDULE.levels(10).tolist() == list(range(10, -1, -1))
    assert SCHEDULE.levels(3).tolist() == [10, 7, 3, 0]
    assert SCHEDULE.levels(2, start=4).tolist() == [4, 2, 0]


def test_row_features_are_signal_noise_and_flag():
    features = SCHEDULE.row_features(np.array([0, 10]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(features[0], [1.0, 0.0, 1.0])
    np.testing.assert_allclose(features[:, 0] ** 2 + features[:, 1] ** 2, 1.0)
    assert features[1, 2] == 0.0


@pytest.mark.parametrize("arguments", [{"steps": 0}, {"offset": -1.0}, {"max_beta": 1.0}, {"offset": float("nan")}])
def test_senseless_schedules_are_refused(arguments):
    with pytest.raises(ConfigurationError, match="noise schedule needs"):
        NoiseSchedule(**arguments)


def test_senseless_transitions_are_refused():
    with pytest.raises(ConfigurationError, match="valid samplers: ddpm, ddim"):
        SCHEDULE.transition(np.array([3]), np.array([2]), "euler")
    with pytest.raises(ConfigurationError, match="from >= to"):
        SCHEDULE.transition(np.array([3]), np.array([4]))
    with pytest.raises(ConfigurationError, match="11 denoising steps"):
        SCHEDULE.levels(11)
