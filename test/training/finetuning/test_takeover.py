"""The demonstrator takes the planner's robots over: in turns, in the phase of their gait."""

from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.policies.conditions import Condition, MixedSimulation
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.training.action_noise import ActionNoise
from diffusion_mpc_ros.training.finetuning.actors import PHASES, ServoedDemonstrator
from diffusion_mpc_ros.training.finetuning.configuration import FinetuneConfig, TurnRange
from diffusion_mpc_ros.training.finetuning.rollouts import roll_out
from diffusion_mpc_ros.training.finetuning.takeover import Takeover

FLAT = Condition("flat")
FORWARD = np.tile([0.5, 0.0, 0.0], (4, 1))


class Standing:
    """In place of the planner: it holds the robots where they stand."""

    def joint_targets(self, state, command):
        return np.tile(go2.DEFAULT_JOINT_POS, (len(command), 1))

    def reset(self, robots):
        """Nothing to forget."""


class Walking:
    """In place of the demonstrator: it notes when it takes over."""

    settle_ticks = 0

    def __init__(self):
        self.taken, self.walked = [], []

    def take_over(self, robots, state, command, targets):
        self.taken.append(robots.copy())

    def joint_targets(self, state, command, walking):
        self.walked.append(np.array(walking))
        return np.tile(go2.DEFAULT_JOINT_POS + 0.1, (len(command), 1))


def in_turns(turns, ticks):
    """Who was walked by the demonstrator ``(ticks, B)``, the joint targets, and the demonstrator."""
    simulation, walking = MixedSimulation([(FLAT, 4)], seed=5), Walking()
    actor = Takeover(Standing(), walking, simulation, turns, np.random.default_rng(0))
    teaches, targets = [], []
    for tick in range(ticks):
        targets.append(actor.joint_targets(RobotState.standing(tick, 4), FORWARD))
        teaches.append(actor.teaches)
    return np.array(teaches), np.array(targets), walking


def test_turns_last_as_long_as_they_are_told_and_each_actor_commands_in_its_own():
    teaches, targets, walking = in_turns(TurnRange((3, 3), (5, 5)), 33)
    np.testing.assert_array_equal(targets[..., 0], go2.DEFAULT_JOINT_POS[0] + 0.1 * teaches)
    np.testing.assert_array_equal(np.array(walking.walked), teaches)
    for robot in teaches.T:
        edges = np.flatnonzero(np.diff(robot.astype(int)))
        lengths = np.diff(edges)
        # Whole turns only: those of the demonstrator and of the planner alternate.
        assert set(lengths[robot[edges[1:]]]) == {5} and set(lengths[~robot[edges[1:]]]) == {3}
    begins = np.vstack([np.zeros(4, bool), teaches[1:] & ~teaches[:-1]])
    np.testing.assert_array_equal(np.array(walking.taken), begins[begins.any(axis=1)])


def test_the_demonstrator_finds_the_phase_of_a_walk():
    policy, robots = DemonstratorPolicy(model_folder("demonstrator")), len(PHASES)
    before = DemonstratorWalker(policy, GaitCommand.default(robots))
    before.clock.phase = PHASES.copy()
    state, command = RobotState.standing(0, robots), np.tile([0.5, 0.0, 0.0], (robots, 1))
    after = DemonstratorWalker(policy, GaitCommand.default(robots))
    targets, taken = before.joint_targets(state, command), np.arange(robots) > 0
    servoed = ServoedDemonstrator(after, gain=0.0)
    servoed.take_over(taken, state, command, targets)
    np.testing.assert_allclose(after.clock.phase[1:], PHASES[1:])
    # Who is not taken over goes on in the phase that he had.
    np.testing.assert_allclose(after.clock.phase[0], DemonstratorWalker(policy, GaitCommand.default(1)).clock.phase[0])


def test_only_rows_of_the_demonstrator_are_learned_from():
    simulation = MixedSimulation([(FLAT, 4)], seed=5)
    config = replace(
        FinetuneConfig(), ticks=40, settle_ticks=0, turns=TurnRange((4, 6), (7, 9)), noise=ActionNoise(clean=1.0)
    )
    rng = np.random.default_rng(0)
    demonstrator = ServoedDemonstrator.draw(config, simulation, rng)
    rollouts = roll_out(Takeover(Standing(), demonstrator, simulation, config.turns, rng), simulation, config, rng)
    held = np.all(np.abs(rollouts.action - go2.DEFAULT_JOINT_POS) < 1e-6, axis=-1)
    np.testing.assert_array_equal(rollouts.usable(0), ~held)
    assert held.any() and not held.all()


@pytest.mark.parametrize("bad", [(0, 3), (5, 4)])
def test_turns_that_cannot_be_drawn_are_refused(bad):
    with pytest.raises(ConfigurationError, match=r"turns.planner must be \[LOW, HIGH\]"):
        TurnRange(planner=bad)
