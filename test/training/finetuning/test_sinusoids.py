"""Open-loop motions: pairs, as drawn, and a robot that they move where they are meant to."""

from dataclasses import replace

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.policies.conditions import FLAT_CONDITION, MixedSimulation
from diffusion_mpc_ros.training.action_noise import ActionNoise
from diffusion_mpc_ros.training.finetuning.configuration import FinetuneConfig
from diffusion_mpc_ros.training.finetuning.rollouts import roll_out
from diffusion_mpc_ros.training.finetuning.sinusoids import SinusoidRanges, Sinusoids
from diffusion_mpc_ros.training.velocity_commands import CommandRanges

FORWARD = SinusoidRanges(
    frequency=(4.0, 4.0),
    stride=(0.4, 0.4),
    sideways=0.0,
    turn=0.0,
    turning=0.0,
    sidling=0.0,
    lift=(0.4, 0.4),
    crouch=(0.2, 0.2),
    lag=(0.25, 0.25),
)


def test_front_and_rear_legs_move_alike_half_a_cycle_apart_and_who_stands_stands():
    motions = Sinusoids(2, FORWARD, np.random.default_rng(0))
    command = np.array([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    # Two cycles of 4 Hz are 25 ticks.
    targets = [motions.joint_targets(RobotState.standing(0, 2), command) - go2.DEFAULT_JOINT_POS for _ in range(26)]
    legs = np.array(targets).reshape(26, 2, 4, 3)
    np.testing.assert_array_equal(legs[:, 1], 0.0)
    np.testing.assert_allclose(legs[:, 0, 0], legs[:, 0, 1], atol=1e-12)
    np.testing.assert_allclose(legs[:, 0, 2], legs[:, 0, 3], atol=1e-12)
    np.testing.assert_allclose(legs[0], legs[25], atol=1e-12)
    # Calves fold by the crouch and, while lifted, 0.4 more.
    np.testing.assert_allclose([legs[:, 0, 0, 2].max(), legs[:, 0, 0, 2].min()], [-0.2, -0.6], atol=0.01)


def walked(ranges, seed):
    """Mean velocities (N, 3) of the robots that move, once they are up to speed; none may fall."""
    config = FinetuneConfig(
        robots=4, ticks=120, commands=CommandRanges(standing=0.0, single_axis=1.0, resample_ticks=(200, 201)),
        noise=ActionNoise(clean=1.0),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    rollouts = roll_out(Sinusoids(4, ranges, rng), MixedSimulation([(FLAT_CONDITION, 4)], seed=2), config, rng)
    moving = np.abs(rollouts.command).max(axis=(1, 2)) > 0.1
    assert not rollouts.falls()
    return rollouts.velocity[moving, 60:].mean(axis=1)


def test_the_sense_of_the_stride_is_that_of_the_walk():
    for stride in (-0.2, 0.4):
        velocity = walked(replace(FORWARD, stride=(stride, stride)), 1)
        assert (np.sign(velocity[:, 0]) == np.sign(stride)).all() and (np.abs(velocity[:, 0]) > 0.15).all()
        assert (np.abs(velocity[:, 2]) < 0.2).all()


def test_who_turns_does_so_without_going_far():
    velocity = walked(replace(FORWARD, turn=0.2, turning=1.0, turning_stride=(0.1, 0.1), lift=(0.55, 0.55)), 1)
    assert np.abs(velocity[:, 2]).max() > 0.3 and np.abs(velocity[:, :2]).max() < 0.15
