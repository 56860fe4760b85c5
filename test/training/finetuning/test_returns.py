"""Rewards of ticks, returns of windows, and the value that windows are compared by."""

import numpy as np
import pytest
import torch
from made_rollouts import constant, made_rollouts

from diffusion_mpc_ros.training.finetuning.configuration import ReturnConfig
from diffusion_mpc_ros.training.finetuning.returns import Value, tick_rewards, trailing_mean, window_returns


def test_a_tick_is_worth_its_tracking_and_a_fall_costs_once():
    fell = np.zeros((1, 4), dtype=bool)
    fell[0, 3] = True
    config = ReturnConfig(tracking=0.7, width=0.02, yaw_share=0.5, smoothing=1, fall=-100.0)
    rollouts = made_rollouts(constant(1, 4, 0.5, 0.0, 0.0), constant(1, 4, 0.4, 0.0, 0.2), fell=fell)
    # |e|^2 = 0.1^2 + (0.5 * 0.2)^2 = 0.02: 0.3 + 0.7 / e.
    expected = 0.3 + 0.7 * np.exp(-1.0)
    np.testing.assert_allclose(tick_rewards(rollouts, config)[0], [expected] * 3 + [expected - 100.0], rtol=1e-5)


def test_sway_over_the_smoothing_is_no_error():
    velocity = constant(1, 40, 0.5, 0.0, 0.0)
    velocity[0, ::2, 1], velocity[0, 1::2, 1] = 0.2, -0.2
    rewards = tick_rewards(made_rollouts(constant(1, 40, 0.5, 0.0, 0.0), velocity), ReturnConfig(smoothing=10))
    np.testing.assert_allclose(rewards[0, 10:], 1.0, atol=1e-5)


def test_trailing_mean_is_of_what_was_until_then():
    values = np.array([[[1.0], [3.0], [5.0], [9.0]]])
    np.testing.assert_allclose(trailing_mean(values, 2)[0, :, 0], [1.0, 2.0, 4.0, 7.0])


def test_windows_are_discounted_and_the_last_ones_are_not_worse():
    # gamma 0.5, window 2: r + 0.5 r'; at the end 1 alone, times 1.5.
    returns = window_returns(np.array([[1.0, 2.0, 4.0, 1.0]]), window=2, gamma=0.5)
    np.testing.assert_allclose(returns, [[2.0, 4.0, 4.5, 1.5]])
    np.testing.assert_allclose(
        window_returns(np.ones((2, 30)), 50, 0.97), window_returns(np.ones((2, 30)), 50, 0.97)[0, 0]
    )


def test_the_value_learns_what_a_condition_is_worth():
    rollouts = made_rollouts(constant(40, 60, 0.5, 0.0, 0.0), constant(40, 60, 0.5, 0.0, 0.0), group=np.arange(40) % 2)
    returns = np.where(rollouts.group[:, None] == 0, 10.0, 4.0) + np.random.default_rng(0).normal(size=(40, 60))
    torch.manual_seed(0)
    value = Value(2)
    explained = value.fit(rollouts, returns, np.ones((40, 60), dtype=bool), torch.Generator().manual_seed(0))
    # Between the conditions the variance is 3^2, within them 1: 0.9 of it is to be explained.
    assert explained == pytest.approx(0.9, abs=0.05)
    advantages = value.advantages(rollouts, returns)
    for group in (0, 1):
        assert abs(advantages[rollouts.group == group].mean()) < 0.3
