"""Commands in hindsight, block by block."""

import numpy as np
import pytest
from made_rollouts import constant, made_rollouts

from diffusion_mpc_ros.core.trajectory import COMMAND
from diffusion_mpc_ros.training.finetuning.hindsight import BLOCK, STARTING, relabelled, sway


def labels(rollouts, within=np.inf):
    return relabelled(rollouts, within)[..., COMMAND]


def test_blocks_take_what_was_walked_in_them_and_the_start_what_came_of_it():
    velocity = constant(1, STARTING + 2 * BLOCK, 0.4, 0.0, 0.1)
    velocity[0, :STARTING] = 0.0  # getting up to speed
    velocity[0, STARTING + BLOCK :] = (0.6, 0.1, 0.0)
    got = labels(made_rollouts(constant(1, STARTING + 2 * BLOCK, 0.5, 0.0, 0.0), velocity))
    np.testing.assert_allclose(got[0, : STARTING + BLOCK], np.tile([0.4, 0.0, 0.1], (STARTING + BLOCK, 1)), atol=1e-6)
    np.testing.assert_allclose(got[0, STARTING + BLOCK :], np.tile([0.6, 0.1, 0.0], (BLOCK, 1)), atol=1e-6)


@pytest.mark.parametrize(("walked", "label"), [(0.3, 0.3), (0.2, 0.5)])
def test_a_walk_that_is_too_far_off_keeps_its_command(walked, label):
    ticks = STARTING + BLOCK
    got = labels(made_rollouts(constant(1, ticks, 0.5, 0.0, 0.0), constant(1, ticks, walked, 0.0, 0.0)), within=0.25)
    np.testing.assert_allclose(got[..., 0], label, rtol=1e-5)


def test_who_stands_and_who_is_too_short_on_the_way_keep_their_command():
    standing = made_rollouts(constant(1, 100, 0.0, 0.0, 0.0), constant(1, 100, 0.02, 0.0, 0.0))
    np.testing.assert_array_equal(labels(standing), 0.0)
    ticks = STARTING + BLOCK // 2 - 1
    short = made_rollouts(constant(1, ticks, 0.5, 0.0, 0.0), constant(1, ticks, 0.4, 0.0, 0.0))
    np.testing.assert_array_equal(labels(short)[..., 0], 0.5)


def test_a_command_a_push_and_a_fall_each_begin_a_new_stretch():
    stretch = STARTING + BLOCK
    command = constant(1, 4 * stretch, 0.5, 0.0, 0.0)
    command[0, stretch : 2 * stretch, 0] = 0.6
    velocity = command - np.array([0.1, 0.0, 0.0], dtype=np.float32)
    velocity[0, 2 * stretch :, 0] = 0.3
    velocity[0, 3 * stretch :, 0] = 0.2
    pushed, fell = np.zeros((2, 1, 4 * stretch), dtype=bool)
    pushed[0, 2 * stretch], fell[0, 3 * stretch - 1] = True, True
    got = labels(made_rollouts(command, velocity, pushed=pushed, fell=fell))
    np.testing.assert_allclose(got[0, ::stretch, 0], [0.4, 0.5, 0.3, 0.2], atol=1e-6)
    assert len(np.unique(got[0, :, 0])) == 4


def test_the_sway_is_that_of_the_yaw_rate_about_its_mean_in_a_block():
    ticks = STARTING + 2 * BLOCK
    velocity = constant(1, ticks, 0.5, 0.0, 0.3)
    # 0.5 and 0.1 in turns: 0.2 from the mean of 0.3. A turn that is even does not sway, nor does getting up to speed.
    velocity[0, :STARTING, 2] = 0.0
    velocity[0, STARTING : STARTING + BLOCK, 2] += np.tile([0.2, -0.2], BLOCK // 2)
    got = sway(made_rollouts(constant(1, ticks, 0.5, 0.0, 0.3), velocity))
    np.testing.assert_allclose(got[0, : STARTING + BLOCK], 0.2, atol=1e-6)
    np.testing.assert_allclose(got[0, STARTING + BLOCK :], 0.0, atol=1e-6)
