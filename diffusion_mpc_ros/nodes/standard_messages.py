"""Messages of the standard ROS packages from the project's dataclasses; frames as in REP 105, joints by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Duration, Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, TransformStamped, Vector3
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Imu, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import Marker, MarkerArray

from diffusion_mpc_ros.core import trajectory as layout
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_NAMES, LEGS
from diffusion_mpc_ros.core.types import LowState, Plan, RobotState
from diffusion_mpc_ros.estimation.kinematics import leg_kinematics
from diffusion_mpc_ros.nodes.conversions import quaternion_message, vector_message

# Of the feet's predicted paths [m].
PATH_WIDTH = 0.004
# Diagonals of covariances; others take zeros for "unknown" or refuse them. Roll and pitch of the IMU [rad^2] and
# its yaw, which no compass corrects; angular velocity [rad^2/s^2]; specific force of a walk's impacts [m^2/s^4].
ORIENTATION_VARIANCE = (0.02**2, 0.02**2, 0.1**2)
ANGULAR_VELOCITY_VARIANCE = (0.02**2,) * 3
ACCELERATION_VARIANCE = (0.5**2,) * 3
# The estimator's errors while walking, RMSE .038, .039, .025 m/s and .6 cm (README, state estimation), rounded up
# [m^2/s^2, m^2]. The horizontal position drifts without bound: a metre, so that velocities count.
VELOCITY_VARIANCE = (0.04**2, 0.04**2, 0.03**2)
POSITION_VARIANCE = (1.0, 1.0, 0.01**2)

if TYPE_CHECKING:
    # Who only reads messages need not load the robot's border.
    from diffusion_mpc_ros.nodes.control_loop import ControlStep


def optional_module(name: str) -> ModuleType | None:
    """A message package that not every installation has, or None."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


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
    """The pose of ``odometry`` as a transform."""
    transform = TransformStamped(header=odometry.header, child_frame_id=odometry.child_frame_id)
    position = odometry.pose.pose.position
    transform.transform.translation = Vector3(x=position.x, y=position.y, z=position.z)
    transform.transform.rotation = odometry.pose.pose.orientation
    return transform


def joint_trajectory_message(plan: Plan, stamp: Time) -> JointTrajectory:
    """The predicted joint positions and velocities of a plan; without a prediction, its joint targets."""
    message = JointTrajectory(joint_names=list(JOINT_NAMES))
    message.header.stamp = stamp
    predicted = plan.trajectory
    positions = plan.joint_targets if predicted is None else predicted[:, layout.JOINT_POS]
    for row, joint_pos in enumerate(positions):
        point = JointTrajectoryPoint(positions=joint_pos.tolist(), time_from_start=_duration(row * CONTROL_DT))
        if predicted is not None:
            point.velocities = predicted[row, layout.JOINT_VEL].tolist()
        message.points.append(point)
    return message


def predicted_feet_message(plan: Plan, stamp: Time, frame_id: str) -> MarkerArray:
    """The path of each foot over the predicted joint positions, in the base frame."""
    feet_b = np.stack([leg_kinematics(joint_pos).foot_pos_b for joint_pos in plan.trajectory[:, layout.JOINT_POS]])
    markers = MarkerArray()
    for index, leg in enumerate(LEGS):
        marker = Marker(ns=leg, id=index, type=Marker.LINE_STRIP, action=Marker.ADD)
        marker.header.stamp = stamp
        marker.header.frame_id = frame_id
        marker.pose.orientation.w = 1.0
        marker.scale.x = PATH_WIDTH
        marker.color.r, marker.color.g, marker.color.a = 1.0, 0.5, 1.0
        marker.points = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in feet_b[:, index]]
        markers.markers.append(marker)
    return markers


def controller_state_message(package: ModuleType, step: ControlStep, stamp: Time):
    """``control_msgs/JointTrajectoryControllerState``: reference, feedback and error of the joints."""
    message = package.JointTrajectoryControllerState(joint_names=list(JOINT_NAMES))
    message.header.stamp = stamp
    command, lowstate = step.output.command, step.lowstate
    message.reference.positions = command.joint_pos.tolist()
    message.reference.velocities = command.joint_vel.tolist()
    if lowstate is not None:
        message.feedback.positions = lowstate.joint_pos.tolist()
        message.feedback.velocities = lowstate.joint_vel.tolist()
        message.error.positions = (command.joint_pos - lowstate.joint_pos).tolist()
        message.error.velocities = (command.joint_vel - lowstate.joint_vel).tolist()
    return message


def diagnostic_status(name: str, robot: str, level: bytes, text: str, values: Mapping[str, object]) -> DiagnosticStatus:
    """One diagnostic status of ``robot``; ``level`` is one of DiagnosticStatus's."""
    status = DiagnosticStatus(name=name, hardware_id=robot, level=level, message=text)
    status.values = [
        KeyValue(key=key, value=f"{value:.6g}" if isinstance(value, float) else str(value))
        for key, value in values.items()
    ]
    return status


def _diagonal(variances: tuple[float, ...]) -> np.ndarray:
    """Row-major matrix, flat."""
    return np.diag(variances).ravel()


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(sec=whole, nanosec=round((seconds - whole) * 1e9))
