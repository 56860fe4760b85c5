"""RobotState from and to its message."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs import msg as messages

from diffusion_mpc_ros.core.errors import MessageError
from diffusion_mpc_ros.core.go2 import MAX_READING
from diffusion_mpc_ros.core.types import LowState, RobotState
from diffusion_mpc_ros.nodes.conversions.fields import (
    check_bounded,
    check_tick,
    float64,
    quaternion_message,
    read_vector,
    vector_message,
)


def robot_state_message(state: RobotState, lowstate: LowState, stamp: Time, frame_id: str) -> messages.RobotState:
    """RobotState with the raw sample it was made from."""
    message = messages.RobotState()
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.tick = state.tick
    message.lowstate_tick_ms = lowstate.tick_ms
    message.orientation = quaternion_message(state.base_quat_wxyz)
    message.angular_velocity = vector_message(state.base_ang_vel)
    message.linear_acceleration = vector_message(lowstate.base_lin_acc)
    message.linear_velocity = vector_message(state.base_lin_vel)
    message.base_height = float(state.base_height)
    message.joint_pos = float64(state.joint_pos)
    message.joint_vel = float64(state.joint_vel)
    message.joint_torque = float64(state.joint_torque)
    message.previous_action = float64(state.previous_action)
    message.foot_force = float64(lowstate.foot_force)
    message.foot_contact = [bool(contact) for contact in state.foot_contact]
    return message


def read_robot_state(message: messages.RobotState) -> RobotState:
    """Return the inverse of :func:`robot_state_message`, without the raw sample; MessageError for impossible ones."""
    check_tick(message.tick)
    orientation = message.orientation
    quat_wxyz = np.array([orientation.w, orientation.x, orientation.y, orientation.z])
    check_bounded("orientation", quat_wxyz, 1.1, "(a unit quaternion)")
    if not abs(quat_wxyz @ quat_wxyz - 1.0) < 0.1:
        raise MessageError(f"orientation {quat_wxyz} is no unit quaternion")
    for name in ("joint_pos", "joint_vel", "joint_torque", "previous_action"):
        check_bounded(name, getattr(message, name), MAX_READING, "in SI units")
    for name in ("angular_velocity", "linear_velocity"):
        check_bounded(name, read_vector(getattr(message, name)), MAX_READING, "in SI units")
    check_bounded("base_height", message.base_height, MAX_READING, "m")
    return RobotState(
        tick=message.tick,
        base_ang_vel=read_vector(message.angular_velocity),
        base_quat_wxyz=quat_wxyz,
        joint_pos=float64(message.joint_pos),
        joint_vel=float64(message.joint_vel),
        joint_torque=float64(message.joint_torque),
        previous_action=float64(message.previous_action),
        foot_contact=np.array(message.foot_contact, dtype=bool),
        base_lin_vel=read_vector(message.linear_velocity),
        base_height=message.base_height,
    )
