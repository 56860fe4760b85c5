"""Named numeric parameters of reward terms and constraints: shape, unit, default, bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.errors import RewardError, brief
from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN


@dataclass(frozen=True)
class Parameter:
    """A parameter array: ``name`` is ``<term or constraint>.<parameter>``; ``default`` sets the shape.

    ``minimum`` and ``maximum`` broadcast against ``default`` and bound every element.
    """

    name: str
    default: tuple[float, ...]
    minimum: float | tuple[float, ...]
    maximum: float | tuple[float, ...]
    unit: str
    description: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return (len(self.default),)

    @property
    def default_array(self) -> np.ndarray:
        """The default as a new float64 array."""
        return np.asarray(self.default, dtype=np.float64)

    def validate(self, value: Sequence[float] | np.ndarray | float) -> np.ndarray:
        """Return ``value`` as a read-only float64 array; a scalar fills the shape.

        Raises :class:`RewardError` unless the numbers are finite, within bounds and of the right shape.
        """
        try:
            array = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError, OverflowError, RecursionError):
            raise RewardError(f"parameter {self.name!r} must be {self.shape[0]} numbers, got {brief(value)}") from None
        if array.ndim > 0 and array.shape != self.shape:
            raise RewardError(f"parameter {self.name!r} has shape {self.shape}, got {array.shape}")
        array = np.array(np.broadcast_to(array, self.shape))
        if not np.isfinite(array).all():
            raise RewardError(f"parameter {self.name!r} must be finite, got {array.tolist()}")
        if (array < self.minimum).any() or (array > self.maximum).any():
            raise RewardError(
                f"parameter {self.name!r} = {array.tolist()} is out of bounds: "
                f"each element within [{self.minimum}, {self.maximum}] {self.unit} is valid"
            )
        array.setflags(write=False)
        return array


# Bounds of a parameter that holds joint positions [rad].
JOINT_POSITIONS = tuple(JOINT_POS_MIN.tolist()), tuple(JOINT_POS_MAX.tolist())
# The range is both a reward term and a constraint (arXiv 2510.04234, V-B2); the two share these parameters.
JOINT_RANGE_MIN, JOINT_RANGE_MAX = (
    Parameter(f"joint_range.{end}", default, *JOINT_POSITIONS, "rad", f"{name} end of the joint range")
    for end, name, default in zip(("min", "max"), ("lower", "upper"), JOINT_POSITIONS)
)
