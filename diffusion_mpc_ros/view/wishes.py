"""What the sliders show, and what is asked for when they rest. Several people may move them.

A slider that is dragged asks once, when it rests: one drag is one change, and one step of undo. Sliders follow what is
in force when a ramp has ended, whoever asked for it, but never under somebody's hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from diffusion_mpc_ros.core.types import RewardSettings

# A slider rests when nobody has moved one for so long [s].
REST = 0.25
# A ramp has ended when nothing new has been heard for so long [s]; it tells its weights at every control tick.
SETTLED = 0.3
# An answer is waited for so long [s]; then the sliders show what is in force.
ANSWER = 3.0


class Wishes:
    """Time is an argument, [s] of any clock that does not go back. For one thread."""

    def __init__(self) -> None:
        self._moved: dict[str, float] = {}
        self._moved_at = self._heard_at = self._asked_at = -math.inf
        self._force: RewardSettings | None = None
        self._shown: tuple[Mapping[str, float], Mapping[str, list[float]], tuple[str, ...]] | None = None

    def move(self, name: str, value: float, now: float) -> None:
        """Somebody moves the slider ``name``: a term's weight, or a parameter."""
        self._moved[name] = value
        self._moved_at = now

    def due(self, now: float) -> dict[str, float]:
        """Return the values to ask for, each once, when the sliders rest; else nothing."""
        if not self._moved or now - self._moved_at < REST:
            return {}
        moved, self._moved = self._moved, {}
        self._asked_at = now
        return moved

    def answered(self, accepted: bool) -> None:
        """What was asked for is accepted, or refused: then the sliders go back."""
        self._asked_at = -math.inf
        if not accepted:
            self._shown = None

    def hear(self, settings: RewardSettings, now: float) -> None:
        """Take what is in force now, on a ramp or at its end."""
        self._force, self._heard_at = settings, now

    def show(self, now: float) -> RewardSettings | None:
        """Return what the sliders have to show from now on; None when they show it already, or it is not settled."""
        if self._asked_at > -math.inf and now - self._asked_at >= ANSWER:
            self.answered(False)
        busy = bool(self._moved) or self._asked_at > -math.inf
        if self._force is None or busy or now - self._heard_at < SETTLED:
            return None
        parameters = {name: np.ravel(value).tolist() for name, value in self._force.parameters.items()}
        settled = dict(self._force.weights), parameters, self._force.constraints
        if settled == self._shown:
            return None
        self._shown = settled
        return self._force
