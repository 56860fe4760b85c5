"""What walking robots are asked for in `evaluate d-mpc`, and how far they are from it.

The objectives of Table II, and rewards that no model of D-MPC was trained for: they are only weighed when candidates
are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.go2 import JOINT_NAMES
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, BatchController, WalkScores, run_closed_loop
from diffusion_mpc_ros.policies.comparison import RobotScores
from diffusion_mpc_ros.policies.objectives import (
    OBJECTIVES,
    TickPenalty,
    make_composer,
    reward_settings,
    tick_penalties,
)
from diffusion_mpc_ros.policies.scoring import PenaltyMeter, tracking_scores
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.simulation.batch import BatchSimulation, BatchState

# Forward velocity commands [m/s], one of each robot: those of the adaptation table.
FORWARD = 0.3, 1.0
# A lunge: the base so far nose down [rad]. A held height [m].
LUNGE, HEIGHT = 0.12, 0.24
_SPARED = np.array([name.startswith("RR_") for name in JOINT_NAMES])


@dataclass(frozen=True)
class Asked:
    """A reward, and what its walk is judged by: a ``penalty`` of each tick in a ``unit``."""

    make_settings: Callable[[RewardComposer], RewardSettings]
    penalty: TickPenalty
    unit: str

    @property
    def settings(self) -> RewardSettings:
        """What the planner is given."""
        return self.make_settings(make_composer())


def pitch_error(before: BatchState, now: BatchState) -> np.ndarray:
    """How far the base is from a lunge ``(B,)`` [rad]."""
    gravity = now.projected_gravity_b
    return np.abs(np.arctan2(gravity[:, 0], -gravity[:, 2]) - LUNGE)


def height_error(before: BatchState, now: BatchState) -> np.ndarray:
    """How far the base is from the held height ``(B,)`` [m]."""
    return np.abs(now.base_height - HEIGHT)


def leg_speed(before: BatchState, now: BatchState) -> np.ndarray:
    """Mean squared speed of the spared leg's joints ``(B,)`` [rad^2/s^2]."""
    return np.mean(now.joint_vel[:, _SPARED] ** 2, axis=1)


def _lunge(composer: RewardComposer) -> RewardSettings:
    return composer.apply(
        0.0,
        weights={"align": 12000.0, "velocity_tracking": 100.0},
        parameters={"align.direction": [np.sin(LUNGE), 0.0, -np.cos(LUNGE)]},
    )


def _held_height(composer: RewardComposer) -> RewardSettings:
    return composer.apply(0.0, parameters={"base_height.target": HEIGHT}, preset="height")


def _spared_leg(composer: RewardComposer) -> RewardSettings:
    return composer.preset_settings("limp")


def _objective(name: str) -> Asked:
    objective = OBJECTIVES[name]
    return Asked(
        lambda composer: reward_settings(composer, objective, constraint=False),
        tick_penalties(make_composer())[name],
        objective.unit,
    )


ASKED: dict[str, Asked] = {
    **{name: _objective(name) for name in OBJECTIVES},
    "lunge": Asked(_lunge, pitch_error, "rad"),
    "height": Asked(_held_height, height_error, "m"),
    "spared_leg": Asked(_spared_leg, leg_speed, "rad^2/s^2"),
}
NEW_REWARDS = tuple(name for name in ASKED if name not in OBJECTIVES)


def forward_commands(robots: int, seed: int) -> np.ndarray:
    """Commands ``(robots, 3)``, forward at random speeds."""
    commands = np.zeros((robots, 3))
    commands[:, 0] = np.random.default_rng(seed).uniform(*FORWARD, size=robots)
    return commands


def walk_measured(
    controller: BatchController, simulation: BatchSimulation, commands: np.ndarray, ticks: int, label: str
) -> tuple[WalkScores, RobotScores]:
    """Walk with commands ``(B, 3)``; each robot's scores have the penalties of all that can be :data:`ASKED`."""
    first = min(SETTLING_TICKS, ticks - 1)
    meter = PenaltyMeter({name: asked.penalty for name, asked in ASKED.items()}, simulation.state, first)
    walked = run_closed_loop(controller, simulation, commands, ticks, label, watch=meter.add)
    return walked, RobotScores(walked.survived(), tracking_scores(walked, first), meter.means())
