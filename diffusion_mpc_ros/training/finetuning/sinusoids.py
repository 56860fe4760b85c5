"""Open-loop motions of pairs of legs: what a robot can try that knows nothing yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.policies.gait import is_moving

# Of the legs FR, FL, RR, RL: which side, and whether in front.
_RIGHT, _FRONT = np.array([-1.0, 1.0, -1.0, 1.0]), np.array([1.0, 1.0, -1.0, -1.0])
# Hips of front and rear legs that swing so far, in opposite senses, for a difference of strides by 1 rad turn evenly.
_HIP_OF_TURN = -0.5
# A thigh that turns so far for a calf that folds by 1 rad leaves the foot below the hip.
_THIGH_OF_FOLD = 0.5


@dataclass(frozen=True)
class SinusoidRanges:
    """Ranges that motions are drawn from, uniformly; sideways and turns in either sense.

    ``offsets``: phases of the legs FR, FL, RR, RL [cycles]. Front and rear legs in turns, a bound, push alike on both
    sides: the base hardly yaws, where that of an open-loop trot swings. ``frequency`` [Hz]; ``stride`` of the thighs,
    ``sideways`` of the hips, ``turn``: by how much the stride differs between left and right, ``lift``: how far a
    swinging calf folds, ``crouch``: how far all calves are folded [rad]; ``lag`` of the fold behind the stride
    [cycles]. Of the robots, a share ``turning`` turns, with strides of ``turning_stride``, another, ``sidling``, goes
    sideways, and the rest straight on.
    """

    offsets: tuple[float, float, float, float] = (0.0, 0.0, 0.5, 0.5)
    frequency: tuple[float, float] = (3.8, 4.6)
    stride: tuple[float, float] = (-0.1, 0.65)
    turning_stride: tuple[float, float] = (0.05, 0.4)
    sideways: float = 0.15
    turn: float = 0.2
    lift: tuple[float, float] = (0.35, 0.55)
    crouch: tuple[float, float] = (0.0, 0.4)
    lag: tuple[float, float] = (0.22, 0.3)
    turning: float = 0.6
    sidling: float = 0.1


class Sinusoids:
    """An :class:`Actor` that looks at nothing but the command: who is told to stand stands."""

    teaches = True

    def __init__(self, robots: int, ranges: SinusoidRanges, rng: np.random.Generator, settle_ticks: int = 0) -> None:
        self.settle_ticks, self._offsets = settle_ticks, np.array(ranges.offsets)
        kind = rng.uniform(size=robots)
        turns, sidles = kind < ranges.turning, kind >= 1.0 - ranges.sidling
        strides = [rng.uniform(*each, size=robots) for each in (ranges.turning_stride, ranges.stride)]
        self._stride = np.where(turns, *strides)
        self._turn = turns * rng.uniform(-ranges.turn, ranges.turn, size=robots)
        self._sideways = sidles * rng.uniform(-ranges.sideways, ranges.sideways, size=robots)
        self._frequency = rng.uniform(*ranges.frequency, size=robots)
        self._lift = rng.uniform(*ranges.lift, size=robots)
        self._crouch = rng.uniform(*ranges.crouch, size=robots)
        self._lag = rng.uniform(*ranges.lag, size=robots)
        self._phase = np.zeros(robots)

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """Joint targets ``(B, 12)`` [rad]; the phase of who moves goes on by a tick, who stands waits at 0."""
        moving = is_moving(command)
        angle = 2.0 * np.pi * (self._phase[:, None] + self._offsets)  # (B, 4)
        swing, lifted = np.sin(angle), np.maximum(np.cos(angle - 2.0 * np.pi * self._lag[:, None]), 0.0)
        fold = self._crouch[:, None] + self._lift[:, None] * lifted
        stride = self._stride[:, None] - self._turn[:, None] * _RIGHT
        sideways = self._sideways[:, None] + _HIP_OF_TURN * self._turn[:, None] * _FRONT
        legs = np.stack([sideways * swing, _THIGH_OF_FOLD * fold - stride * swing, -fold], axis=-1)
        self._phase = moving * (self._phase + self._frequency * go2.CONTROL_DT) % 1.0
        return go2.DEFAULT_JOINT_POS + moving[:, None] * legs.reshape(len(command), go2.NUM_JOINTS)

    def reset(self, robots: np.ndarray) -> None:
        """Nothing: a motion goes on."""
