"""Random commands stay in their ranges and have the shares that the configuration names."""

import numpy as np
import pytest

from diffusion_mpc_ros.training.commands import CommandRanges, CommandSampler


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
        sampler.step()
    np.testing.assert_array_equal(sampler.command, first)
    sampler.step()
    assert (sampler.command != first).any(axis=1).all()
