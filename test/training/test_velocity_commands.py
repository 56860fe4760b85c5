"""Random commands stay in their ranges and have the shares that the configuration names."""

import numpy as np
import pytest

from diffusion_mpc_ros.training.velocity_commands import CommandRanges, CommandSampler


def test_shares_and_ranges():
    ranges = CommandRanges(standing=0.2, single_axis=0.3)
    sampler = CommandSampler(20_000, ranges, np.random.default_rng(0))
    command = sampler.command
    moving_axes = (command != 0.0).sum(axis=1)
    # 20000 draws: five standard deviations of a share of 0.3 are 0.016.
    assert np.mean(moving_axes == 0) == pytest.approx(0.2, abs=0.016)
    assert np.mean(moving_axes == 1) == pytest.approx(0.3, abs=0.016)
    for axis, bounds in enumerate((ranges.vx, ranges.vy, ranges.yaw_rate)):
        assert bounds[0] <= command[:, axis].min() and command[:, axis].max() <= bounds[1]


def test_commands_are_redrawn_when_their_time_is_up():
    sampler = CommandSampler(50, CommandRanges(standing=0.0, resample_ticks=(3, 4)), np.random.default_rng(0))
    first = sampler.command.copy()
    for _ in range(2):
        assert not sampler.step().any()
    np.testing.assert_array_equal(sampler.command, first)
    assert sampler.step().all()
    assert (sampler.command != first).any(axis=1).all()


def test_each_axis_is_reached_alone_and_all_together_within_their_ellipsoid():
    ranges = CommandRanges(vx=(-0.6, 1.2), vy=(-0.8, 0.8), yaw_rate=(0.0, 1.5), standing=0.0, single_axis=0.5)
    command = CommandSampler(20_000, ranges, np.random.default_rng(0)).command
    half_axes = np.where(command > 0.0, [1.2, 0.8, 1.5], [0.6, 0.8, 1.0])
    assert np.linalg.norm(command / half_axes, axis=1).max() <= 1.0 + 1e-9
    alone = command[(command != 0.0).sum(axis=1) == 1]
    np.testing.assert_allclose(alone.min(axis=0), [-0.6, -0.8, 0.0], atol=0.01)
    np.testing.assert_allclose(alone.max(axis=0), [1.2, 0.8, 1.5], atol=0.01)


def test_a_share_of_the_commands_after_standing_is_slow():
    ranges = CommandRanges(vx=(-1.0, 1.0), standing=0.0, single_axis=1.0, slow_starts=0.6, slow=(0.1, 0.5))
    everyone = np.ones(20_000, dtype=bool)
    sampler = CommandSampler(20_000, ranges, np.random.default_rng(0))
    # Robots that have had no command yet stood. Of vx, uniform within 1, P(|vx| > 0.5) is 1/2 for the others alone.
    forward = sampler.command[sampler.command[:, 0] != 0.0, 0]
    assert np.mean(np.abs(forward) > 0.5) == pytest.approx(0.4 * 0.5, abs=0.02)
    sampler.redraw(everyone)  # nobody stood
    forward = sampler.command[sampler.command[:, 0] != 0.0, 0]
    assert np.mean(np.abs(forward) > 0.5) == pytest.approx(0.5, abs=0.025)
