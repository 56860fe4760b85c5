"""What an operator, or whoever tests a simulated robot, asks for."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Twist, WrenchStamped

from diffusion_mpc_ros.nodes.conversions.fields import check_bounded, read_vector

# The hardest push that a simulated robot is given [N]: 66 m/s within the time that a push lasts.
MAX_PUSH = 1.0e4


def read_velocity(message: Twist) -> np.ndarray:
    """Return what a Twist asks for, ``(vx, vy, yaw rate)`` [m/s, m/s, rad/s], finite or not."""
    return np.array([message.linear.x, message.linear.y, message.angular.z])


def read_push_force(message: WrenchStamped) -> np.ndarray:
    """Return the force ``(3,)`` [N] of a push; raises MessageError unless it is finite and no more than MAX_PUSH."""
    force = read_vector(message.wrench.force)
    check_bounded("force", force, MAX_PUSH, "N")
    return force
