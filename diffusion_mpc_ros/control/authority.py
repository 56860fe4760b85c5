"""Who may move the robot: one holder at a time, who is alive and means it.

Pure: time is an argument, [s] of any clock that does not go back.

| source | takes the robot | keeps it | lets go | falls silent |
| --- | --- | --- | --- | --- |
| ``remote`` | a stick leaves its middle | a stick out of its middle | sticks in the middle | stands still, keeps it |
| ``joy`` | its dead-man button is held | the button held | the button let go | stands still, keeps it |
| ``cmd_vel ...`` | it publishes | it publishes | | lets go |

Sticks count once they were seen near their middle. A person at a stick comes before a program, the remote before the
gamepad; nobody else takes the robot from its holder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.gamepad import GamepadState

# People at sticks, first whom the others give way to; whatever else asks is a program.
REMOTE, JOY = PEOPLE = ("remote", "joy")
# Programs that are remembered at once; far more than publish on one topic.
MAX_PROGRAMS = 64


@dataclass(frozen=True)
class Holding:
    """Who holds the robot ("" for nobody), whether that one is alive, and the velocity ``(3,)`` that is asked for.

    ``velocity``: vx, vy [m/s], yaw rate [rad/s]; zero unless the holder is alive.
    """

    holder: str
    alive: bool
    velocity: np.ndarray


@dataclass
class _Source:
    """What one source has said: ``claims`` the robot or not, with what velocity, and when."""

    velocity: np.ndarray
    time: float
    claims: bool
    centred: bool = True


class VelocityAuthority:
    """Takes what the sources say and tells who holds the robot.

    ``stick_velocity (3,)``: what a stick at its stop asks for, vx, vy [m/s], yaw rate [rad/s]; ``deadband``: the part
    of a stick's range in [0, 1) that counts as its middle; ``timeout``: a source is silent from this age [s] on.
    Raises ConfigurationError where they make no sense.
    """

    def __init__(self, stick_velocity: Sequence[float], deadband: float, timeout: float) -> None:
        self._stick_velocity = velocity_bounds("stick_velocity", stick_velocity)
        if not 0.0 <= deadband < 1.0 or not 0.0 < timeout < np.inf:
            raise ConfigurationError(
                f"command_deadband {deadband} must be in [0, 1), cmd_vel_timeout {timeout} a positive time [s]"
            )
        self._deadband, self._timeout = deadband, timeout
        self._sources: dict[str, _Source] = {}
        self._holder = ""
        self.rejected: Counter[str] = Counter()  # by source, how often what it asked for could not be used

    def hear_velocity(self, source: str, velocity: np.ndarray, now: float) -> None:
        """Take the ``velocity (3,)`` that a program asks for; not finite: zero, and counted as rejected."""
        if not np.isfinite(velocity).all():
            self.rejected[source] += 1
            velocity = np.zeros(3)
        if source not in self._sources and len(self._sources) >= MAX_PROGRAMS + len(PEOPLE):
            self._forget_silent(now)
        self._sources[source] = _Source(velocity, now, claims=True)

    def hear_sticks(self, source: str, state: GamepadState, now: float, enabled: bool | None = None) -> None:
        """Take the state of a person's sticks; ``enabled``: the dead-man button is held, None where there is none.

        Left stick: vx and vy, right one: yaw rate, up and left positive (REP 103).
        """
        velocity = self._beyond_deadband(np.array([state.left_y, -state.left_x, -state.right_x]))
        before = self._sources.get(source)
        had = before is not None and before.claims
        centred = before is not None and before.centred and now - before.time <= self._timeout
        if state.sticks_valid:
            centred = centred or not velocity.any()
            wants = bool(velocity.any()) if enabled is None else enabled
        else:  # says nothing of what its person wants: nothing changes hands
            self.rejected[source] += 1
            centred, wants = False, had
        claims = wants and (centred or had)
        self._sources[source] = _Source(velocity * self._stick_velocity * (claims and centred), now, claims, centred)

    def update(self, now: float, walking: bool) -> Holding:
        """Tell who holds the robot at ``now``; while it is not ``walking`` a silent person does not keep it."""
        holder = self._sources.get(self._holder)
        if holder is None or not self._keeps(self._holder, holder, now, walking):
            self._holder = ""
        self._holder = self._claimant(now)
        holder = self._sources.get(self._holder)
        if holder is None or not self._heard(holder, now):
            return Holding(self._holder, False, np.zeros(3))
        return Holding(self._holder, True, holder.velocity)

    def _keeps(self, name: str, source: _Source, now: float, walking: bool) -> bool:
        if self._heard(source, now):
            return source.claims
        return walking and name in PEOPLE

    def _claimant(self, now: float) -> str:
        """Return who holds the robot next: a person who claims it, else who has it, else a program that asks."""
        people = PEOPLE[: PEOPLE.index(self._holder)] if self._holder in PEOPLE else PEOPLE
        for name in people:
            source = self._sources.get(name)
            if source is not None and source.claims and self._heard(source, now):
                return name
        if self._holder:
            return self._holder
        programs = ((name, source) for name, source in self._sources.items() if name not in PEOPLE)
        return next((name for name, source in programs if self._heard(source, now)), "")

    def _heard(self, source: _Source, now: float) -> bool:
        return now - source.time <= self._timeout

    def _forget_silent(self, now: float) -> None:
        silent = [name for name, source in self._sources.items() if name not in PEOPLE and not self._heard(source, now)]
        # Where all of them speak the eldest goes: what is kept is bounded.
        for name in silent or [next(name for name in self._sources if name not in PEOPLE)]:
            del self._sources[name]

    def _beyond_deadband(self, sticks: np.ndarray) -> np.ndarray:
        """Zero within the deadband, from there on linear up to the stop, so that there is no jump at its edge."""
        return np.sign(sticks) * np.maximum(np.abs(sticks) - self._deadband, 0.0) / (1.0 - self._deadband)


def velocity_bounds(name: str, values: Sequence[float]) -> np.ndarray:
    """Return ``values`` as bounds ``(3,)`` of vx, vy [m/s], yaw rate [rad/s]; raises ConfigurationError in words."""
    bounds = np.array(values, dtype=np.float64)
    if bounds.shape != (3,) or not np.isfinite(bounds).all() or (bounds < 0.0).any():
        raise ConfigurationError(f"{name} {list(values)} must be three finite numbers >= 0: vx, vy, yaw rate")
    return bounds
