"""Robots that are struck from the side as they walk: when and where the pendulum is released, and what came of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.evaluation.adaptation.transition import sliding_mean
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, WalkScores
from diffusion_mpc_ros.simulation.batch import BatchState
from diffusion_mpc_ros.simulation.pendulum import TRUNK_HALF_WIDTH, PendulumSimulation

# The pendulums are released within so many ticks after settling: the slowest trot's whole period, so that the strike
# comes at any phase of the gait.
RELEASE_TICKS = 32
# Where the robot will be is foretold from its mean velocity over so many ticks, about a period of the trot; its speed
# afterwards is averaged over as many, so that the sway of the trunk is no walking.
WINDOW = 25
# A robot is stuck that is slower than this [m/s] for longer than so many ticks, 2 s (arXiv 2510.04234, VI-B.1).
STUCK_SPEED, STUCK_TICKS = 0.2, 100


@dataclass(frozen=True)
class Strikes:
    """For B robots the tick of the release and the side from which the pendulum comes, each ``(B,)``."""

    tick: np.ndarray
    side: np.ndarray  # 1.0 left, -1.0 right

    @classmethod
    def draw(cls, robots: int, rng: np.random.Generator) -> Strikes:
        """At random ticks from the settling on, from random sides."""
        ticks = SETTLING_TICKS + rng.integers(RELEASE_TICKS, size=robots)
        return cls(ticks, rng.choice([-1.0, 1.0], size=robots))


class Striker:
    """Releases the pendulums of ``simulation`` from ``angle`` [rad], and notes the tick of the strike."""

    def __init__(self, simulation: PendulumSimulation, strikes: Strikes, angle: float) -> None:
        self._simulation, self._strikes, self._angle = simulation, strikes, angle
        self._fall_time = simulation.pendulum.fall_time(angle)
        self._recent: deque[np.ndarray] = deque(maxlen=WINDOW)
        self._tick = -1
        self.struck_tick = np.full(simulation.robots, -1)  # (B,), -1 where the ball has touched nothing

    def watch(self, state: BatchState) -> None:
        """Take note of the ``state`` after a tick."""
        self._tick += 1
        self._recent.append(state.base_pos)
        touched = ~np.isnan(self._simulation.impact_speed)
        self.struck_tick[touched & (self.struck_tick < 0)] = self._tick
        due = np.flatnonzero(self._strikes.tick == self._tick)
        if len(due):
            side, heading = self._strikes.side[due], rotations.yaw(state.base_quat_wxyz[due])
            pivot = self._pivot(due, side, heading)
            self._simulation.release(due, pivot, heading, side * self._angle)

    def _pivot(self, robots: np.ndarray, side: np.ndarray, heading: np.ndarray) -> np.ndarray:
        """Above the place ``(n, 3)`` [m] where the ball at its lowest point touches the side of the trunk to come."""
        recent, pendulum = np.stack(self._recent)[:, robots], self._simulation.pendulum
        velocity = (recent[-1] - recent[0]) / ((len(recent) - 1) * CONTROL_DT)
        # From the middle of the recent ticks on.
        ahead = self._fall_time + (len(recent) - 1) / 2.0 * CONTROL_DT
        left = np.column_stack([-np.sin(heading), np.cos(heading)])
        pivot = recent.mean(axis=0)
        pivot[:, :2] += velocity[:, :2] * ahead + side[:, None] * left * (TRUNK_HALF_WIDTH + pendulum.radius)
        pivot[:, 2] += pendulum.length
        return pivot

    @property
    def hit(self) -> np.ndarray:
        """Which robots were touched before the ball swung back, ``(B,)`` bool."""
        swing = 2.0 * self._fall_time / CONTROL_DT
        return (self.struck_tick >= 0) & (self.struck_tick - self._strikes.tick <= swing)


@dataclass(frozen=True)
class Outcomes:
    """Of B trials, each ``(B,)``. Only those that were ``hit`` count: touched by the ball while they stood upright."""

    hit: np.ndarray  # bool
    fell_unhit: np.ndarray  # bool, fell, but not after a hit
    fell: np.ndarray  # bool, of those hit
    stuck: np.ndarray  # bool, of those hit, and upright
    impact_speed: np.ndarray  # [m/s]
    on_trunk: np.ndarray  # bool, the first thing the ball touched was the trunk

    @property
    def success(self) -> np.ndarray:
        """Hit, upright until the end and never stuck, ``(B,)`` bool."""
        return self.hit & ~self.fell & ~self.stuck

    @classmethod
    def concatenate(cls, parts: Sequence[Outcomes]) -> Outcomes:
        """Return the trials of all ``parts``, in their order."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.__annotations__})


def outcomes(walked: WalkScores, striker: Striker, simulation: PendulumSimulation) -> Outcomes:
    """Return what came of the strikes of the robots that ``walked`` under ``striker``."""
    upright = np.isfinite(walked.planar_error)
    robots = np.arange(upright.shape[1])
    before = upright[np.maximum(striker.struck_tick - 1, 0), robots]
    hit = striker.hit & before
    fell = hit & ~upright[-1]
    stuck = hit & ~fell & is_stuck(walked.velocity[:, :, :2], striker.struck_tick)
    return Outcomes(hit, ~upright[-1] & ~hit, fell, stuck, simulation.impact_speed.copy(), simulation.on_trunk.copy())


def is_stuck(velocity: np.ndarray, since: np.ndarray) -> np.ndarray:
    """Slower than :data:`STUCK_SPEED` for more than :data:`STUCK_TICKS` ticks in a row, ``(B,)`` bool.

    ``velocity (ticks, B, 2)`` [m/s], averaged over the last :data:`WINDOW` ticks; from tick ``since (B,)`` on.
    """
    ticks, robots = velocity.shape[:2]
    smooth = sliding_mean(velocity.reshape(ticks, -1), WINDOW).reshape(ticks, robots, 2)
    slow = (np.linalg.norm(smooth, axis=2) < STUCK_SPEED) & (np.arange(ticks)[:, None] >= since)
    run = longest = np.zeros(robots, dtype=np.intp)
    for now in slow:
        run = (run + 1) * now
        longest = np.maximum(longest, run)
    return longest > STUCK_TICKS
