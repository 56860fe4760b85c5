"""What an operator knows of the robot and its ground, and no sensor tells: for planners that roll the robot out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import JOINT_NAMES, NOMINAL_FRICTION, NUM_JOINTS
from diffusion_mpc_ros.core.settings import Settings, setting, suggestion

Position = tuple[float, float, float]
Joints = tuple[float, float, float, float, float, float, float, float, float, float, float, float]
# How people name the joints: FL_calf.
MOTORS = tuple(name.removesuffix("_joint") for name in JOINT_NAMES)
NUMBERS = (
    "payload_mass", "payload_x", "payload_y", "payload_z", *MOTORS, "friction", "slope", "slope_direction",
)  # fmt: skip


@dataclass(frozen=True)
class DeclaredModel(Settings):
    """The Go2 as it is said to be; the defaults are the robot as it was built, on level ground.

    A motor of strength s gives s times the torque that the same one would give as it was built, at every speed. The
    ground rises by ``slope`` towards ``slope_direction``, a heading in the frame of the base's orientation.
    """

    payload_mass: float = setting("Mass of the payload.", 0.0, unit="kg", low=0.0, high=15.0)
    payload_position: Position = setting(
        "Where the payload is, in the base frame: x, y, z.", (0.0, 0.0, 0.1), unit="m", low=-0.5, high=0.5
    )
    motor_strength: Joints = setting(
        "Share of its torque that each motor gives; FR, FL, RR, RL, each hip, thigh, calf.",
        (1.0,) * NUM_JOINTS, low=0.1, high=1.5,
    )  # fmt: skip
    friction: float = setting("Friction coefficient of foot and ground.", NOMINAL_FRICTION, low=0.05, high=3.0)
    slope: float = setting("By how much the ground rises.", 0.0, unit="deg", low=0.0, high=30.0)
    slope_direction: float = setting(
        "Heading towards which it rises, in the frame of odometry; 90 is to the left of its x axis.",
        0.0, unit="deg", low=-180.0, high=180.0,
    )  # fmt: skip

    @property
    def normal(self) -> np.ndarray:
        """Unit vector ``(3,)`` out of the ground, in the world frame."""
        slope, towards = np.deg2rad([self.slope, self.slope_direction])
        return np.array([-np.sin(slope) * np.cos(towards), -np.sin(slope) * np.sin(towards), np.cos(slope)])

    def ground_height(self, points: np.ndarray) -> np.ndarray:
        """Heights ``(...)`` [m] of the ground, which goes through the origin, at ``points (..., 2)`` [m]."""
        normal = self.normal
        return -(points[..., 0] * normal[0] + points[..., 1] * normal[1]) / normal[2]

    @property
    def numbers(self) -> dict[str, float]:
        """All of it as numbers by name, as services and the facts of a plan tell it: see :data:`NUMBERS`."""
        values = [self.payload_mass, *self.payload_position, *self.motor_strength]
        return dict(zip(NUMBERS, [*values, self.friction, self.slope, self.slope_direction], strict=True))

    def with_numbers(self, changes: Mapping[str, float]) -> DeclaredModel:
        """Return the same with other :attr:`numbers`.

        Raises :class:`ConfigurationError` for an unknown name or a number out of range.
        """
        for name in changes:
            if name not in NUMBERS:
                raise ConfigurationError(
                    f"nothing called {name!r} can be declared{suggestion(name, NUMBERS)}; there is {', '.join(NUMBERS)}"
                )
        mass, *values = (self.numbers | {name: float(value) for name, value in changes.items()}).values()
        position: Any = tuple(values[:3])
        strength: Any = tuple(values[3 : 3 + NUM_JOINTS])
        return DeclaredModel(mass, position, strength, *values[3 + NUM_JOINTS :])

    def __str__(self) -> str:
        """What differs from the robot as it was built, for people."""
        parts = []
        if self.payload_mass:
            x, y, z = self.payload_position
            parts.append(f"payload {self.payload_mass:g} kg at ({x:g}, {y:g}, {z:g}) m")
        weak = [(name, value) for name, value in zip(MOTORS, self.motor_strength, strict=True) if value != 1.0]
        parts += [f"{name} at {value:.0%} of its torque" for name, value in weak]
        if self.friction != NOMINAL_FRICTION:
            parts.append(f"friction {self.friction:g}")
        if self.slope:
            parts.append(f"slope of {self.slope:g} deg towards {self.slope_direction:g} deg")
        return ", ".join(parts) or "nothing but the robot as it was built"


NOMINAL = DeclaredModel()
