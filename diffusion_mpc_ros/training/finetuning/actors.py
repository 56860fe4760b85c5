"""Who is rolled out: the guided planner on the weights being trained, the demonstrator, or open-loop sinusoids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.diffusion.bound_step import StepBackend
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, BatchController
from diffusion_mpc_ros.policies.condition_walks import shipped_controller
from diffusion_mpc_ros.policies.conditions import MixedSimulation
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS, START_PHASE, GaitCommand, is_moving
from diffusion_mpc_ros.policies.objectives import make_composer
from diffusion_mpc_ros.training.collect import gait_ranges
from diffusion_mpc_ros.training.finetuning.configuration import FinetuneConfig

# Of a servoed command: vx, vy [m/s], yaw rate [rad/s].
LARGEST_CORRECTION = np.array([1.5, 0.6, 0.6])
# Ticks after a robot was put on its feet that nobody learns from, where a controller is rolled out.
SETTLING = 25
# Among which that of a walk is looked for.
PHASES = np.arange(16) / 16.0


class Actor(Protocol):
    """Joint targets for B robots tick by tick, as :class:`policies.closed_loop.BatchController` gives them.

    ``settle_ticks (B,)`` or one number for all: how long after standing up nobody is to learn from it. ``teaches (B,)``
    or one for all: whose last joint targets are to be learned from.
    """

    settle_ticks: np.ndarray | int
    teaches: np.ndarray | bool

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """States of B robots and velocity commands ``(B, 3)`` -> clean joint targets ``(B, 12)`` [rad]."""
        ...

    def reset(self, robots: np.ndarray) -> None:
        """The robots of the mask ``(B,)`` were put back on their feet: what belongs to their walk before is over."""
        ...


class ControllerActor:
    """A batch controller that needs not be told of a new life, as an :class:`Actor`."""

    settle_ticks, teaches = SETTLING, True

    def __init__(self, controller: BatchController) -> None:
        self._controller = controller

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """See :class:`Actor`."""
        return self._controller.joint_targets(state, command)

    def reset(self, robots: np.ndarray) -> None:
        """Nothing: the walk before is forgotten while a robot settles."""


@dataclass(frozen=True)
class GuidedGroup:
    """Robots that plan with the same rewards: ``robots`` their indices."""

    robots: np.ndarray
    controller: AsynchronousController


class PlannerActor:
    """The planner as it ships (N = 1, D = 3, R = 2) on ``steps``; groups of the robots follow rewards.

    Commands are each robot's own. Weights and guidance scale are inputs that a whole batch of the planner shares: so
    each group has its own batch.
    """

    teaches = True

    def __init__(self, groups: Sequence[GuidedGroup], settle_ticks: int = 0) -> None:
        self._groups, self.settle_ticks = groups, settle_ticks

    @classmethod
    def draw(
        cls, config: FinetuneConfig, artefact: Prior, steps: StepBackend, rng: np.random.Generator
    ) -> PlannerActor:
        """Presets and guidance scales drawn for the guided share of the robots; the others plan without rewards."""
        order = rng.permutation(config.robots)
        guided = int(config.guided * config.robots)
        groups = [
            GuidedGroup(np.sort(order[guided:]), shipped_controller(artefact, int(rng.integers(2**31)), steps=steps))
        ]
        composer = make_composer()
        for robots in np.array_split(np.sort(order[:guided]), config.guided_groups):
            rewards = composer.preset_settings(config.presets[rng.integers(len(config.presets))])
            scale, seed = float(rng.uniform(*config.guidance_scale)), int(rng.integers(2**31))
            walker = shipped_controller(artefact, seed, steps=steps, rewards=rewards, guidance_scale=scale)
            groups.append(GuidedGroup(robots, walker))
        return cls([group for group in groups if len(group.robots)], config.settle_ticks)

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """See :class:`Actor`."""
        targets = np.empty_like(state.joint_pos)
        for group in self._groups:
            robots = group.robots
            targets[robots] = group.controller.joint_targets(_of(state, robots), command[robots])
        return targets

    def reset(self, robots: np.ndarray) -> None:
        """Nothing: rows of the old plan end while the robot settles."""


class ServoedDemonstrator:
    """The demonstrator whose command is corrected by the integral of its velocity error, true in simulation.

    Up a slope of 20 degrees it walks 0.8 m/s less than it is told: corrected, it shows the walk that is wanted there.
    ``gain`` [1/tick], one for all robots or ``(B,)``: none for who is pushed, whom the integral of a push long over
    would make fall. ``lead`` [m/s]: on a slope it begins with so much uphill, times the sine of the slope: a start that
    first slides back teaches that.
    """

    teaches = True

    def __init__(
        self,
        walker: DemonstratorWalker,
        gain: np.ndarray | float,
        settle_ticks: np.ndarray | int = 0,
        lead: float = 0.0,
    ) -> None:
        self._walker, self.settle_ticks, self._lead = walker, settle_ticks, lead
        self._gain = np.broadcast_to(gain, len(walker.gait.base_height))[:, None]
        self._correction = np.zeros((len(walker.gait.base_height), 3))
        self._begins = np.ones(len(walker.gait.base_height), dtype=bool)

    @classmethod
    def draw(cls, config: FinetuneConfig, simulation: MixedSimulation, rng: np.random.Generator) -> ServoedDemonstrator:
        """In the everyday gait on level ground and in ``config.everyday_gait``; elsewhere each robot in one of
        ``config.gait``, on a slope between the two as steep as it is: near a border between gaits the prior would mix
        them.

        Who takes up another gait settles for ``config.gait_ticks``. A base that sinks into a low gait is else a lesson
        that sinking is to be followed by sinking: on it robots with a payload collapse.
        """
        policy = DemonstratorPolicy(model_folder(config.demonstrator), config.threads)
        gait = GaitCommand.default(simulation.robots)
        everyday = np.array(
            [
                ground.flat or condition.name in config.everyday_gait
                for ground, condition in zip(simulation.grounds, simulation.conditions)
            ]
        )[simulation.group]
        drawn = GaitCommand.draw(simulation.robots, rng, gait_ranges(config.gait, policy))
        share = np.where(everyday, 0.0, _steepness(config, simulation))
        for name in GAIT_PARAMETERS:
            setattr(gait, name, (1.0 - share) * getattr(gait, name) + share * getattr(drawn, name))
        settle_ticks = np.where(everyday, config.settle_ticks, config.gait_ticks)
        pushed = np.array([condition.push_speed > 0.0 for condition in simulation.conditions])[simulation.group]
        gain = np.where(pushed, 0.0, config.servo)
        return cls(DemonstratorWalker(policy, gait), gain, settle_ticks, config.servo_lead)

    def joint_targets(self, state: RobotState, command: np.ndarray, walking: np.ndarray | bool = True) -> np.ndarray:
        """See :class:`Actor`; who is told to stand stands uncorrected. Errors count where it is ``walking (B,)``."""
        velocity = np.column_stack([state.base_lin_vel[:, :2], state.base_ang_vel[:, 2]])
        downhill = rotations.projected_gravity(state.base_quat_wxyz)[self._begins, :2]
        self._correction[self._begins, :2] = -self._lead * downhill
        self._begins[:] = False
        judged = (is_moving(command) & walking)[:, None]
        self._correction += np.where(judged, self._gain * (command - velocity), 0.0)
        np.clip(self._correction, -LARGEST_CORRECTION, LARGEST_CORRECTION, out=self._correction)
        return self._walker.joint_targets(state, self._told(command))

    def take_over(self, robots: np.ndarray, state: RobotState, command: np.ndarray, targets: np.ndarray) -> None:
        """Go on with the walk of the robots of the mask ``(B,)``.

        The phase becomes the one in which the demonstrator's joint targets are nearest to ``targets (B, 12)`` [rad],
        those of who walked until now.
        """
        walker, observation = self._walker, observe(state, self._told(command), state.previous_action)
        kept, distances = walker.clock.phase.copy(), []
        for phase in PHASES:
            walker.clock.phase = np.full(len(command), phase)
            distances.append(np.abs(walker.act(observation) - targets).sum(axis=1))
        walker.clock.phase = np.where(robots, PHASES[np.argmin(distances, axis=0)], kept)

    def _told(self, command: np.ndarray) -> np.ndarray:
        """Return what the demonstrator is told ``(B, 3)`` for it to walk ``command (B, 3)``."""
        return command + np.where(is_moving(command)[:, None], self._correction, 0.0)

    def reset(self, robots: np.ndarray) -> None:
        """See :class:`Actor`; the clock waits at the start of a swing, as for everybody who begins to walk."""
        self._correction[robots], self._begins[robots] = 0.0, True
        self._walker.clock.phase[robots] = START_PHASE


def _steepness(config: FinetuneConfig, simulation: MixedSimulation) -> np.ndarray:
    """How far ``(B,)`` the gait of each robot is from the everyday one, 0 to 1, by ``config.gait_slopes``."""
    if config.gait_slopes is None:
        return np.ones(simulation.robots)
    gentle, steep = config.gait_slopes
    inclined = [ground.kind.name.startswith("slope") for ground in simulation.grounds]
    degrees = np.where(inclined, [ground.difficulty for ground in simulation.grounds], steep)
    return np.clip((degrees - gentle) / (steep - gentle), 0.0, 1.0)[simulation.group]


def _of(state: RobotState, robots: np.ndarray) -> RobotState:
    """The state of these robots of the batch."""
    arrays = {each.name: getattr(state, each.name)[robots] for each in fields(state) if each.name != "tick"}
    return replace(state, **arrays)
