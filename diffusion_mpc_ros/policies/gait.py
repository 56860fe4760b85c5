"""The demonstrator's hidden gait: what rewards ask for later and no observation says (arXiv 2510.04234, V-B)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.trajectory import MOVING_COMMAND


class GaitParameter(NamedTuple):
    """Unit, range and default of one hidden number."""

    unit: str
    low: float
    high: float
    default: float


# In the order of the demonstrator's inputs and of the fields of GaitCommand.
GAIT_PARAMETERS: dict[str, GaitParameter] = {
    "base_height": GaitParameter("m", 0.18, 0.32, 0.29),
    "pitch": GaitParameter("rad", -0.15, 0.15, 0.0),
    "step_frequency": GaitParameter("Hz", 1.6, 3.2, 2.2),
    "swing_height": GaitParameter("m", 0.03, 0.12, 0.08),
}
# A trot: where each foot (FR, FL, RR, RL) is in its cycle when the clock is at 0; stance comes first, then swing.
TROT_OFFSETS = np.array([0.0, 0.5, 0.5, 0.0])
STANCE_SHARE = 0.55
# The clock of a robot that stands: FR and RL are just about to swing.
START_PHASE = STANCE_SHARE
# Vertical distance [m] from hip to foot below which no leg folds: a calf at its limit, and a margin.
SHORTEST_LEG = 0.10


@dataclass
class GaitCommand:
    """Hidden gait parameters of B robots, each ``(B,)``; units and ranges in :data:`GAIT_PARAMETERS`.

    ``pitch`` of the base is positive with the nose down; ``swing_height`` is how far a foot rises above where it
    stands, at mid-swing; ``step_frequency`` counts whole cycles: two diagonal steps each.
    """

    base_height: np.ndarray
    pitch: np.ndarray
    step_frequency: np.ndarray
    swing_height: np.ndarray

    @classmethod
    def default(cls, robots: int) -> GaitCommand:
        """Return the same everyday gait for all."""
        return cls(**{name: np.full(robots, parameter.default) for name, parameter in GAIT_PARAMETERS.items()})

    @classmethod
    def draw(
        cls,
        robots: int,
        rng: np.random.Generator,
        parameters: Mapping[str, GaitParameter] = GAIT_PARAMETERS,
        default_share: float = 0.0,
    ) -> GaitCommand:
        """Uniform in the ranges of ``parameters``; a share of the robots, and what is not named, at the default."""
        gait = cls.default(robots)
        drawn = rng.uniform(size=robots) >= default_share
        for name, parameter in parameters.items():
            getattr(gait, name)[drawn] = rng.uniform(parameter.low, parameter.high, size=robots)[drawn]
        gait.swing_height = np.minimum(gait.swing_height, gait.highest_swing())
        return gait

    def highest_swing(self) -> np.ndarray:
        """How far ``(B,)`` [m] the legs under the lower end of the base can lift their feet."""
        lowest_hip = self.base_height - go2.HIP_OFFSET_X * np.sin(np.abs(self.pitch))
        return np.maximum(lowest_hip - go2.FOOT_RADIUS - SHORTEST_LEG, GAIT_PARAMETERS["swing_height"].low)

    def columns(self, names: Sequence[str] = tuple(GAIT_PARAMETERS)) -> np.ndarray:
        """Return the named parameters ``(B, len(names))``."""
        return np.column_stack([getattr(self, name) for name in names])

    def put(self, mask: np.ndarray, values: GaitCommand) -> None:
        """Overwrite the robots of ``mask (B,)`` with ``values``, one for each of them."""
        for name in GAIT_PARAMETERS:
            getattr(self, name)[mask] = getattr(values, name)


def is_moving(command: np.ndarray) -> np.ndarray:
    """Which robots are asked to walk: ``command (..., 3)`` -> ``(...)`` bool."""
    return np.linalg.norm(command, axis=-1) > MOVING_COMMAND


class GaitClock:
    """The phase of the trot, ``phase (B,)`` in [0, 1) cycles: hidden state of the demonstrator.

    It runs while a robot is asked to walk, and is held at :data:`START_PHASE` while it is asked to stand. From any
    other phase it would first go on standing, for a time that nothing tells to who sees the robot alone: what learns
    from such starts puts its own start off, again and again.
    """

    def __init__(self, robots: int) -> None:
        self.phase = np.full(robots, START_PHASE)

    def features(self, command: np.ndarray) -> np.ndarray:
        """``(B, 2)``: sine and cosine of the phase; zeros while standing."""
        angle = 2.0 * np.pi * self.phase
        return np.column_stack([np.sin(angle), np.cos(angle)]) * is_moving(command)[:, None]

    def step(self, command: np.ndarray, frequency: np.ndarray) -> None:
        """One control tick at ``frequency (B,)`` [Hz]."""
        moved = (self.phase + go2.CONTROL_DT * frequency) % 1.0
        self.phase = np.where(is_moving(command), moved, START_PHASE)


def foot_phases(phase: np.ndarray) -> np.ndarray:
    """Phase ``(B, 4)`` of each foot for the clock's ``phase (B,)``."""
    return (phase[:, None] + TROT_OFFSETS) % 1.0


def stance_schedule(phase: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Which feet belong on the ground, ``(B, 4)`` bool: all of them for robots that are not ``moving (B,)``."""
    return (foot_phases(phase) < STANCE_SHARE) | ~moving[:, None]


def swing_progress(phase: np.ndarray) -> np.ndarray:
    """How far each foot is through its swing, ``(B, 4)`` in [0, 1); 0 during stance."""
    return np.maximum(foot_phases(phase) - STANCE_SHARE, 0.0) / (1.0 - STANCE_SHARE)


class SwingMeter:
    """Counts the swings of B robots' feet and how high they go, from the heights of the feet alone."""

    # A swing begins above and ends below these lifts [m]; the gap keeps a trembling foot from counting twice.
    BEGIN, END = 0.015, 0.008

    def __init__(self, robots: int) -> None:
        self._peak = np.zeros((robots, 4))  # of the swing going on, 0 on the ground
        self.swings = np.zeros(robots, dtype=np.intp)
        self.lift_sum = np.zeros(robots)
        self.ticks = np.zeros(robots, dtype=np.intp)

    def update(self, foot_height: np.ndarray, counted: np.ndarray) -> None:
        """One tick: heights ``(B, 4)`` [m] of the feet's centres; robots that are not ``counted (B,)`` start afresh."""
        lift = foot_height - go2.FOOT_RADIUS
        swinging = (self._peak > 0.0) & (lift > self.END)
        landed = (self._peak > 0.0) & ~swinging & counted[:, None]
        self.swings += landed.sum(axis=1)
        self.lift_sum += np.where(landed, self._peak, 0.0).sum(axis=1)
        self.ticks += counted
        self._peak = np.where(swinging | (lift > self.BEGIN), np.maximum(self._peak, lift), 0.0) * counted[:, None]

    @property
    def frequency(self) -> np.ndarray:
        """Cycles per second ``(B,)`` while counted: a quarter of the feet's swings; NaN where never counted."""
        seconds = np.where(self.ticks > 0, self.ticks, np.nan) * go2.CONTROL_DT
        return self.swings / 4.0 / seconds

    @property
    def lift(self) -> np.ndarray:
        """Mean ``(B,)`` [m] of how far the feet rose in the swings; NaN without one."""
        return self.lift_sum / np.where(self.swings > 0, self.swings, np.nan)
