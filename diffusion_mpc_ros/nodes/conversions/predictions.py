"""What a plan predicts, for whoever looks on: joints over time, paths of the feet."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import Marker, MarkerArray

from diffusion_mpc_ros.core import trajectory as layout
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_NAMES, LEGS
from diffusion_mpc_ros.core.types import Plan
from diffusion_mpc_ros.estimation.kinematics import leg_kinematics

# Of the feet's predicted paths [m].
PATH_WIDTH = 0.004


def joint_trajectory_message(plan: Plan, stamp: Time) -> JointTrajectory:
    """Return the predicted joint positions and velocities of a plan; without a prediction, its joint targets."""
    message = JointTrajectory(joint_names=list(JOINT_NAMES))
    message.header.stamp = stamp
    predicted = plan.trajectory
    for row, joint_pos in enumerate(_joint_positions(plan)):
        point = JointTrajectoryPoint(positions=joint_pos.tolist(), time_from_start=_duration(row * CONTROL_DT))
        if predicted is not None:
            point.velocities = predicted[row, layout.JOINT_VEL].tolist()
        message.points.append(point)
    return message


def predicted_feet_message(plan: Plan, stamp: Time, frame_id: str) -> MarkerArray:
    """Return the path of each foot over the predicted joint positions, in the base frame; else over the targets."""
    feet_b = np.stack([leg_kinematics(joint_pos).foot_pos_b for joint_pos in _joint_positions(plan)])
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


def _joint_positions(plan: Plan) -> np.ndarray:
    """Return what a plan of one robot predicts, ``(T, 12)`` [rad]; where it predicts nothing, its joint targets."""
    return plan.joint_targets if plan.trajectory is None else plan.trajectory[:, layout.JOINT_POS]


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(sec=whole, nanosec=round((seconds - whole) * 1e9))
