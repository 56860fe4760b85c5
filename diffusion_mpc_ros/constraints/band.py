"""Bands that joint positions keep out of: sets that are not convex."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from array_api_compat import array_namespace

from diffusion_mpc_ros.constraints.kind import (
    Array,
    Bound,
    Bounds,
    Constraint,
    Fields,
    Kind,
    Parameters,
    Units,
    with_targets,
)
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import JOINT_NAMES, NUM_JOINTS
from diffusion_mpc_ros.core.parameters import JOINT_POSITIONS, Parameter
from diffusion_mpc_ros.core.trajectory import JOINT_POS

# Empty by default: both ends are the same.
BAND_MIN, BAND_MAX = (
    Parameter(f"joint_band.{end}", JOINT_POSITIONS[0], *JOINT_POSITIONS, "rad", f"{name} end of the forbidden band")
    for end, name in (("min", "lower"), ("max", "upper"))
)


def joint_band(bounds: dict[str, np.ndarray], parameters: Parameters, ticks: np.ndarray) -> None:
    """``q_t <= band_min`` or ``q_t >= band_max``."""
    lower, upper = parameters[BAND_MIN.name], parameters[BAND_MAX.name]
    bounds["band_lower"][...], bounds["band_upper"][...] = np.where(lower < upper, [lower, upper], 0.0)


def check_not_blocked(bounds: Bounds, parameters: Parameters) -> None:
    """Raise :class:`RewardError` naming the joints whose whole range lies inside the band."""
    asked = parameters[BAND_MIN.name] < parameters[BAND_MAX.name]
    blocked = (asked & (bounds["band_lower"] == bounds["band_upper"])).any(axis=0)
    if blocked.any():
        joints = ", ".join(np.array(JOINT_NAMES)[blocked])
        raise RewardError(f"constraint 'joint_band': the range of {joints} lies inside the band")


class Band(Kind):
    """Not ``band_lower < q < band_upper``, ``(T, 12)``; an empty band where the two are equal."""

    name = "band"
    bounds = Bound("band_lower", NUM_JOINTS, 0.0, JOINT_POS), Bound("band_upper", NUM_JOINTS, 0.0, JOINT_POS)
    constraints = (
        Constraint(
            "joint_band",
            joint_band,
            (BAND_MIN, BAND_MAX),
            "joint positions not between joint_band.min and joint_band.max",
            "joint_pos",
            "rad",
            0.02,
            check=check_not_blocked,
        ),
    )

    def project(self, fields: Fields, bounds: Bounds, units: Units) -> Fields:
        """To the nearer end; the targets go along."""
        values, lower, upper = fields["joint_pos"], bounds["band_lower"], bounds["band_upper"]
        xp = array_namespace(values)
        inside = (lower < values) & (values < upper)
        nearer = xp.where(values - lower < upper - values, lower, upper)
        return with_targets(fields, {"joint_pos": xp.where(inside, nearer, values)}, units)

    def excess(self, fields: Fields, bounds: Bounds) -> dict[str, Array]:
        """How far inside the band: the way to its nearer end."""
        values = fields["joint_pos"]
        xp = array_namespace(values)
        depth = xp.minimum(values - bounds["band_lower"], bounds["band_upper"] - values)
        return {"joint_pos": xp.clip(depth, min=0.0)}

    def binds(self, bounds: Bounds) -> Array:
        """Whether a band is not empty."""
        lower = bounds["band_lower"]
        return array_namespace(lower).any(lower < bounds["band_upper"])

    def example(self, noise: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Narrow ones anywhere."""
        lower = noise["band_lower"]
        return {"band_lower": lower, "band_upper": lower + 0.3 * np.abs(noise["band_upper"])}

    def settle(self, bounds: dict[str, np.ndarray]) -> None:
        """Move an end of the box that lies inside the band to the band's: first the band, then the box is a projection.

        Where the whole range of a joint lies inside, the band gives way: nothing would be left.
        """
        lower, upper = bounds["band_lower"], bounds["band_upper"]
        low, high = bounds["lower"][:, JOINT_POS], bounds["upper"][:, JOINT_POS]  # views
        blocked = (lower < low) & (high < upper)
        lower[blocked] = upper[blocked] = 0.0
        for ends, end in ((low, upper), (high, lower)):
            inside = (lower < ends) & (ends < upper)
            ends[inside] = end[inside]

    def release(self, bounds: dict[str, np.ndarray], row: int) -> None:
        """No band at ``row``."""
        bounds["band_lower"][row] = bounds["band_upper"][row] = 0.0
