"""What is known of the robot and its controller now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from diffusion_mpc_ros.core.types import Candidates, Plan, RewardSettings, RobotState

# What was last said longer ago than this [s] is not known any more.
HEARD_WITHIN = 1.0


@dataclass(frozen=True)
class Commanded:
    """What command_publisher says at a tick.

    ``mode`` and ``fault`` in words, "" for no fault; ``holder``: who holds the robot, "" for nobody; ``velocity (3,)``:
    vx, vy [m/s], yaw rate [rad/s] that the holder asks for, base frame.
    """

    tick: int
    mode: str
    fault: str
    holder: str
    velocity: np.ndarray


@dataclass(frozen=True)
class Choices:
    """What can be set of the rewards: each term's unit and bounds, the presets, the constraints."""

    terms: Mapping[str, tuple[str, float, float]]  # name -> unit of the weight, its minimum and maximum
    presets: tuple[str, ...]
    constraints: tuple[str, ...]


@dataclass
class Seen:
    """The newest of everything, None where nothing was heard yet; ``..._at``: when it was [s].

    ``position (3,)`` [m]: the base in the odometry frame.
    """

    state: RobotState | None = None
    state_at: float = -math.inf
    position: np.ndarray | None = None
    commanded: Commanded | None = None
    commanded_at: float = -math.inf
    plan: Plan | None = None
    candidates: Candidates | None = None
    candidates_tick: int = 0  # of their row 0
    settings: RewardSettings | None = None
    choices: Choices | None = None
    facts: dict[str, Mapping[str, str]] = field(default_factory=dict)  # node -> its diagnostic values

    def hears_robot(self, now: float) -> bool:
        """Whether the robot's state is told."""
        return now - self.state_at <= HEARD_WITHIN

    def hears_controller(self, now: float) -> bool:
        """Whether command_publisher speaks."""
        return now - self.commanded_at <= HEARD_WITHIN
