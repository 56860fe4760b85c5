"""Who is rolled out: the demonstrator held to its command, and the planner in groups with rewards of their own."""

from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.policies.closed_loop import run_closed_loop
from diffusion_mpc_ros.policies.conditions import Condition, MixedSimulation
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import START_PHASE, GaitClock, GaitCommand
from diffusion_mpc_ros.training.action_noise import ActionNoise
from diffusion_mpc_ros.training.collect import GaitRanges
from diffusion_mpc_ros.training.finetuning.actors import GuidedGroup, PlannerActor, ServoedDemonstrator
from diffusion_mpc_ros.training.finetuning.configuration import FinetuneConfig
from diffusion_mpc_ros.training.finetuning.rollouts import roll_out

STEEP = Condition("uphill", grounds=("slope_up:20",))
LOW = GaitRanges(base_height=(0.22, 0.24), pitch=(-0.02, 0.02), step_frequency=(2.8, 3.0), swing_height=(0.08, 0.1))


def walked(walker, ticks=200):
    """Mean forward velocity [m/s] of 4 robots up 20 degrees, told 0.5 m/s, after 2 s."""
    simulation = MixedSimulation([(STEEP, 4)], seed=5)
    scores = run_closed_loop(walker, simulation, np.tile([0.5, 0.0, 0.0], (4, 1)), ticks)
    return np.nanmean(scores.velocity[100:, :, 0])


def test_a_servoed_demonstrator_walks_up_where_it_slides_down_alone():
    alone = DemonstratorWalker(DemonstratorPolicy(model_folder("demonstrator")), GaitCommand.default(4))
    servoed = ServoedDemonstrator.draw(
        replace(FinetuneConfig(), gait=LOW), MixedSimulation([(STEEP, 4)], seed=5), np.random.default_rng(0)
    )
    assert walked(alone) < 0.0 and walked(servoed) > 0.25


def test_only_who_moves_is_corrected_and_only_so_far():
    told = []

    class Walker:
        gait = GaitCommand.default(2)

        def joint_targets(self, state, command):
            told.append(command)
            return state.joint_pos

    servoed = ServoedDemonstrator(Walker(), gain=0.5)
    command = np.array([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    for _ in range(20):
        servoed.joint_targets(RobotState.standing(0, 2), command)
    # 0.5 * 0.5 m/s a tick, from the first tick on, and never more than 1.5 m/s.
    np.testing.assert_allclose([each[0, 0] for each in told[:3]], [0.75, 1.0, 1.25])
    np.testing.assert_allclose(told[-1], [[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


def test_a_walk_on_a_slope_begins_with_a_command_uphill():
    told = []

    class Walker:
        gait, clock = GaitCommand.default(2), GaitClock(2)

        def joint_targets(self, state, command):
            told.append(command)
            return state.joint_pos

    # The nose 30 degrees up, and level; then both walk at 0.5 m/s, as they are told.
    half = np.deg2rad(15.0)
    standing = RobotState.standing(0, 2)
    tilted = replace(standing, base_quat_wxyz=np.array([[np.cos(half), 0.0, -np.sin(half), 0.0], [1.0, 0.0, 0.0, 0.0]]))
    walking = replace(standing, base_lin_vel=np.tile([0.5, 0.0, 0.0], (2, 1)))
    servoed = ServoedDemonstrator(Walker(), gain=0.0, lead=2.0)
    command = np.tile([0.5, 0.0, 0.0], (2, 1))
    for state in (tilted, walking):
        servoed.joint_targets(state, command)
    np.testing.assert_allclose(told, [[[1.5, 0.0, 0.0], [0.5, 0.0, 0.0]]] * 2)
    servoed.reset(np.array([True, False]))
    servoed.joint_targets(walking, command)
    np.testing.assert_allclose(told[-1], command)


def test_a_new_life_begins_uncorrected_at_the_start_of_a_swing():
    told = []

    class Walker:
        def __init__(self):
            self.gait, self.clock = GaitCommand.default(2), GaitClock(2)

        def joint_targets(self, state, command):
            told.append(command)
            self.clock.step(command, np.full(2, 2.0))
            return state.joint_pos

    walker = Walker()
    servoed = ServoedDemonstrator(walker, gain=0.1)
    for _ in range(5):
        servoed.joint_targets(RobotState.standing(0, 2), np.tile([0.5, 0.0, 0.0], (2, 1)))
    servoed.reset(np.array([True, False]))
    # Five ticks of 20 ms at 2 Hz: a fifth of a cycle, for the one that goes on.
    np.testing.assert_allclose(walker.clock.phase, [START_PHASE, (START_PHASE + 0.2) % 1.0])
    servoed.joint_targets(RobotState.standing(0, 2), np.tile([0.5, 0.0, 0.0], (2, 1)))
    # The integral of 0.1 * 0.5 m/s a tick, one tick of it and six.
    np.testing.assert_allclose(told[-1][:, 0], [0.55, 0.8])


def test_rollouts_tell_who_is_put_back_on_its_feet():
    class Collapsing:
        settle_ticks, teaches, told = 5, True, np.zeros(2, dtype=int)

        def joint_targets(self, state, command):
            # The first robot rolls itself over: hips out on one side, in on the other.
            targets = np.tile(go2.DEFAULT_JOINT_POS, (2, 1))
            targets[0, 1::3] += np.array([-1.5, 1.5, -1.5, 1.5])
            targets[0, 2::3] += np.array([-1.5, 1.0, -1.5, 1.0])
            return targets

        def reset(self, robots):
            self.told += robots

    actor = Collapsing()
    config = replace(FinetuneConfig(), ticks=60, noise=ActionNoise(clean=1.0))
    rollouts = roll_out(actor, MixedSimulation([(Condition("flat"), 2)], seed=1), config, np.random.default_rng(0))
    assert rollouts.falls() > 0
    np.testing.assert_array_equal(actor.told, rollouts.fell.sum(axis=1))


def test_who_takes_up_another_gait_settles_before_anybody_learns_from_it():
    simulation = MixedSimulation([(Condition("flat"), 2), (STEEP, 2)], seed=5)
    config = replace(FinetuneConfig(), gait=LOW, ticks=8, settle_ticks=3, gait_ticks=6)
    rng = np.random.default_rng(0)
    rollouts = roll_out(ServoedDemonstrator.draw(config, simulation, rng), simulation, config, rng)
    assert rollouts.fresh.sum(axis=1).tolist() == [3, 3, 6, 6]


def test_each_group_plans_for_its_own_robots():
    class Controller:
        def __init__(self, value):
            self.value = value

        def joint_targets(self, state, command):
            assert len(state.joint_pos) == len(command)
            return np.full_like(state.joint_pos, self.value) + command[:, :1]

    groups = [GuidedGroup(np.array([0, 3]), Controller(1.0)), GuidedGroup(np.array([1, 2]), Controller(2.0))]
    command = np.zeros((4, 3))
    command[:, 0] = (0.1, 0.2, 0.3, 0.4)
    targets = PlannerActor(groups).joint_targets(RobotState.standing(0, 4), command)
    np.testing.assert_allclose(targets[:, 0], [1.1, 2.2, 2.3, 1.4])


def test_named_conditions_keep_the_everyday_gait_off_level_ground():
    gentle = replace(STEEP, name="gentle", grounds=("slope_up:4",))
    config = replace(FinetuneConfig(), gait=LOW, conditions=(STEEP, gentle), everyday_gait=("gentle",))
    simulation = MixedSimulation([(STEEP, 2), (gentle, 2)], seed=5)
    servoed = ServoedDemonstrator.draw(config, simulation, np.random.default_rng(0))
    np.testing.assert_array_equal(servoed.settle_ticks, [50, 50, 10, 10])
    height = servoed._walker.gait.base_height
    assert np.all(height[:2] < 0.25) and np.all(height[2:] == GaitCommand.default(2).base_height)


def test_an_everyday_gait_of_no_condition_is_refused():
    with pytest.raises(ConfigurationError, match="everyday_gait names gentle; the conditions are flat"):
        FinetuneConfig(everyday_gait=("gentle",))


def test_the_gait_changes_with_the_steepness_of_a_slope():
    grounds = ("slope_up:4", "slope_up:7", "slope:16", "bumps:0.05")
    conditions = tuple(replace(STEEP, name=ground, grounds=(ground,)) for ground in grounds)
    config = replace(FinetuneConfig(), gait=GaitRanges(base_height=(0.21, 0.2101)), conditions=conditions)
    config = replace(config, gait_slopes=(4.0, 16.0))
    simulation = MixedSimulation([(each, 1) for each in conditions], seed=5)
    servoed = ServoedDemonstrator.draw(config, simulation, np.random.default_rng(0))
    # From 0.29 m to 0.21 m; 7 degrees are a quarter of the way.
    np.testing.assert_allclose(servoed._walker.gait.base_height, [0.29, 0.27, 0.21, 0.21], atol=1e-4)
    with pytest.raises(ConfigurationError, match="gait_slopes must be 0 <= LOW < HIGH degrees"):
        replace(config, gait_slopes=(16.0, 4.0))
