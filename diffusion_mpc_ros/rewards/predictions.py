"""What a reward model predicts of a trajectory because no row of it says so (arXiv 2510.04234, V-B1, V-B3)."""

from __future__ import annotations

# Name -> unit, in the order of the reward model's outputs: means over the first H rows, and COSTS_TO_GO. The clearance
# is that of the foot which is highest at a tick, above the ground; velocities are the base's, in its own frame. The
# step frequency counts whole cycles of the gait, two diagonal steps each; it is 0 where a robot is told to stand.
PREDICTIONS: dict[str, str] = {
    "base_height": "m",
    "mechanical_power": "W",
    "foot_clearance": "m",
    "base_lin_vel_x": "m/s",
    "base_lin_vel_y": "m/s",
    "step_frequency": "Hz",
    "joint_velocity_to_go": "rad^2/s^2",
    "joint_acceleration_to_go": "rad^2/s^4",
    "energy_to_go": "W",
    "tilt_to_go": "rad",
}
# Means over the second after the trajectory, of sums over the joints; see training/costs_to_go.py.
COSTS_TO_GO = tuple(name for name in PREDICTIONS if name.endswith("_to_go"))


def index(name: str) -> int:
    """Column of the prediction ``name``."""
    return list(PREDICTIONS).index(name)


BASE_HEIGHT = index("base_height")
MECHANICAL_POWER = index("mechanical_power")
FOOT_CLEARANCE = index("foot_clearance")
BASE_LIN_VEL = slice(index("base_lin_vel_x"), index("base_lin_vel_y") + 1)
STEP_FREQUENCY = index("step_frequency")
