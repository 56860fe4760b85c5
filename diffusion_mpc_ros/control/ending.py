"""An orderly end: the robot is let down before the commands stop. Pure: times [s] are of one clock."""

from __future__ import annotations

import math

from diffusion_mpc_ros.control.modes import Event, Mode

# Sitting down and its settling before, and coming to rest under damping, may take so long [s].
SITS_WITHIN, RESTS_WITHIN = 3.5, 3.0


class Ending:
    """What an ending robot still has to do: sit down where its state can be trusted, else be damped until it lies."""

    def __init__(self) -> None:
        self._since = math.inf
        self._damped_since = math.inf
        self._hurried = False

    @property
    def begun(self) -> bool:
        """Whether the end has begun."""
        return self._since < math.inf

    def begin(self, now: float) -> None:
        """Begin at ``now``."""
        self._since = min(self._since, now)

    def hurry(self) -> None:
        """Do without sitting down: damp at once."""
        self._hurried = True

    def request(self, mode: Mode, now: float) -> Event | None:
        """Return what has to be asked for in ``mode`` at ``now``; None when nothing has."""
        if not self.begun or mode in (Mode.DAMPING, Mode.FAULT):
            return None
        if self._hurried or now - self._since >= SITS_WITHIN:
            return Event.DAMP
        return None if mode is Mode.SITTING_DOWN else Event.SIT_DOWN

    def done(self, mode: Mode, at_rest: bool, now: float) -> bool:
        """Return whether commands may stop: the robot is at rest under damping, or has had its time."""
        if mode not in (Mode.DAMPING, Mode.FAULT):
            self._damped_since = math.inf
            return False
        self._damped_since = min(self._damped_since, now)
        return self.begun and (at_rest or now - max(self._damped_since, self._since) >= RESTS_WITHIN)
