"""The state of a gamepad: the Unitree remote and a joystick look alike from here on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# In the bit order of the Unitree remote, by the names printed on it.
BUTTONS = (
    *("R1", "L1", "start", "select", "R2", "L2", "F1", "F2"),
    *("A", "B", "X", "Y", "up", "right", "down", "left"),
)
# What LowState sets aside for the Unitree remote.
REMOTE_BYTES = 40
# A stick at its stop may read a little more than one; what reads more is no stick.
STICK_MAX = 1.05


@dataclass(frozen=True)
class GamepadState:
    """Buttons held down, and the sticks in [-1, 1]: x to the right, y up; 0 where ``sticks_valid`` is false."""

    pressed: frozenset[str] = frozenset()
    left_x: float = 0.0
    left_y: float = 0.0
    right_x: float = 0.0
    right_y: float = 0.0
    sticks_valid: bool = True

    @property
    def sticks(self) -> tuple[float, float, float, float]:
        """``left_x, left_y, right_x, right_y``."""
        return self.left_x, self.left_y, self.right_x, self.right_y

    @property
    def raw_sticks(self) -> tuple[float, float, float, float]:
        """The sticks as :meth:`from_raw` takes them: NaN where they are not valid."""
        return self.sticks if self.sticks_valid else (math.nan, math.nan, math.nan, math.nan)

    @classmethod
    def from_raw(cls, pressed: Iterable[str], sticks: Iterable[float]) -> GamepadState:
        """Return the state with ``sticks`` (left_x, left_y, right_x, right_y) clipped to [-1, 1].

        Where any stick is not finite or beyond ``STICK_MAX``, all read 0 and are not valid. The buttons stay: a worn
        stick must not take the emergency stop with it.
        """
        values = np.array(list(sticks), dtype=np.float64)
        # Any comparison with NaN is false.
        if not (np.abs(values) <= STICK_MAX).all():
            return cls(frozenset(pressed), sticks_valid=False)
        return cls(frozenset(pressed), *np.clip(values, -1.0, 1.0).tolist())
