"""What the robot measures, as messages that standard ROS tools read: joints, IMU, odometry, transform."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, TransformStamped, Vector3
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Imu, JointState

from diffusion_mpc_ros.core.go2 import JOINT_NAMES
from diffusion_mpc_ros.core.types import LowState, RobotState
from diffusion_mpc_ros.nodes.conversions.fields import quaternion_message, vector_message

# Diagonals of covariances; others take zeros for "unknown" or refuse them. Roll and pitch of the IMU [rad^2] and
# its yaw, which no compass corrects; angular velocity [rad^2/s^2]; specific force of a walk's impacts [m^2/s^4].
ORIENTATION_VARIANCE = (0.02**2, 0.02**2, 0.1**2)
ANGULAR_VELOCITY_VARIANCE = (0.02**2,) * 3
ACCELERATION_VARIANCE = (0.5**2,) * 3
# The estimator's errors while walking, RMSE .038, .039, .025 m/s and .6 cm (README, state estimation), rounded up
# [m^2/s^2, m^2]. The position drifts without bound, its height off flat ground: a metre, so that velocities count.
VELOCITY_VARIANCE = (0.04**2, 0.04**2, 0.04**2)
POSITION_VARIANCE = (1.0, 1.0, 1.0)


def joint_state_message(state: RobotState, stamp: Time) -> JointState:
    """Positions [rad], velocities [rad/s] and torques [N m]."""
    message = JointState(name=list(JOINT_NAMES))
    message.header.stamp = stamp
    message.position = state.joint_pos.tolist()
    message.velocity = state.joint_vel.tolist()
    message.effort = state.joint_torque.tolist()
    return message


def imu_message(lowstate: LowState, stamp: Time, frame_id: str) -> Imu:
    """Orientation, angular velocity and specific force of the base-aligned IMU."""
    message = Imu(
        orientation=quaternion_message(lowstate.base_quat_wxyz),
        angular_velocity=vector_message(lowstate.base_ang_vel),
        linear_acceleration=vector_message(lowstate.base_lin_acc),
        orientation_covariance=_diagonal(ORIENTATION_VARIANCE),
        angular_velocity_covariance=_diagonal(ANGULAR_VELOCITY_VARIANCE),
        linear_acceleration_covariance=_diagonal(ACCELERATION_VARIANCE),
    )
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    return message


def odometry_message(state: RobotState, position: np.ndarray, stamp: Time, frames: tuple[str, str]) -> Odometry:
    """Pose of the base in the odometry frame, ``position (3,)`` [m]; twist in the base frame.

    ``frames``: names of the odometry and the base frame.
    """
    message = Odometry(child_frame_id=frames[1])
    message.header.stamp = stamp
    message.header.frame_id = frames[0]
    message.pose.pose.position = Point(x=float(position[0]), y=float(position[1]), z=float(position[2]))
    message.pose.pose.orientation = quaternion_message(state.base_quat_wxyz)
    message.twist.twist.linear = vector_message(state.base_lin_vel)
    message.twist.twist.angular = vector_message(state.base_ang_vel)
    message.pose.covariance = _diagonal(POSITION_VARIANCE + ORIENTATION_VARIANCE)
    message.twist.covariance = _diagonal(VELOCITY_VARIANCE + ANGULAR_VELOCITY_VARIANCE)
    return message


def transform_message(odometry: Odometry) -> TransformStamped:
    """Return the pose of ``odometry`` as a transform."""
    transform = TransformStamped(header=odometry.header, child_frame_id=odometry.child_frame_id)
    position = odometry.pose.pose.position
    transform.transform.translation = Vector3(x=position.x, y=position.y, z=position.z)
    transform.transform.rotation = odometry.pose.pose.orientation
    return transform


def _diagonal(variances: tuple[float, ...]) -> np.ndarray:
    """Row-major matrix, flat."""
    return np.diag(variances).ravel()
