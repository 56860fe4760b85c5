"""The view's picture as standard messages, for rviz: ``view/markers`` (MarkerArray) and ``view/path`` (Path).

The robot and the ghost of its plan as a box with legs, the candidates' feet, contacts and forces, the velocity that is
asked for and the one it has, the way so far. In the odometry frame: no transform is needed. Made only while somebody
subscribes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, PoseStamped
from nav_msgs.msg import Path
from rclpy.node import Node
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from diffusion_mpc_ros.core.go2 import FOOT_RADIUS
from diffusion_mpc_ros.nodes.conversions.fields import quaternion_message
from diffusion_mpc_ros.nodes.qos import LATEST
from diffusion_mpc_ros.view.scene import Drawing, Figure
from diffusion_mpc_ros.view.skeleton import TRUNK, leg_points

Rgba = tuple[float, float, float, float]
ROBOT, GHOST = (0.75, 0.78, 0.85, 1.0), (0.25, 0.6, 1.0, 0.3)
CANDIDATE, CHOSEN = (0.3, 0.55, 0.95, 0.5), (1.0, 0.65, 0.1, 1.0)
WANTED, ACTUAL, FORCE = (1.0, 0.65, 0.1, 0.9), (0.3, 0.85, 0.55, 0.9), (0.95, 0.3, 0.5, 0.9)
LOADED, FREE = (0.3, 0.85, 0.55, 1.0), (0.45, 0.48, 0.53, 1.0)
# Diameters [m].
LEG, TRACE, SHAFT, HEAD = 0.035, 0.004, 0.015, 0.035
# What is not renewed for so long disappears.
LIFETIME = Duration(sec=1)


class ViewMarkers:
    """Publishes pictures for ``node`` in the frame ``frame_id``."""

    def __init__(self, node: Node, frame_id: str) -> None:
        self._frame_id = frame_id
        self._markers = node.create_publisher(MarkerArray, "view/markers", LATEST)
        self._path = node.create_publisher(Path, "view/path", LATEST)

    @property
    def wanted(self) -> bool:
        """Whether anybody subscribes."""
        return self._markers.get_subscription_count() + self._path.get_subscription_count() > 0

    def publish(self, drawing: Drawing, trail: np.ndarray, stamp: Time) -> None:
        """Publish what somebody subscribes to; ``trail (P, 3)`` [m]: where the base has been."""
        if self._markers.get_subscription_count():
            self._markers.publish(markers_message(drawing, self._frame_id, stamp))
        if self._path.get_subscription_count():
            self._path.publish(path_message(trail, self._frame_id, stamp))


def path_message(trail: np.ndarray, frame_id: str, stamp: Time) -> Path:
    """The points ``trail (P, 3)`` [m] as a path."""
    message = Path()
    message.header.frame_id, message.header.stamp = frame_id, stamp
    for point in trail:
        pose = PoseStamped(header=message.header)
        pose.pose.position = _point(point)
        pose.pose.orientation.w = 1.0
        message.poses.append(pose)
    return message


def markers_message(drawing: Drawing, frame_id: str, stamp: Time) -> MarkerArray:
    """All of ``drawing``; what it does not hold is left out, and disappears."""
    markers = [*_figure("robot", drawing.robot, ROBOT)]
    if drawing.ghost is not None:
        markers += _figure("ghost", drawing.ghost, GHOST)
    if drawing.paths is not None:
        markers.append(_lines("candidates", drawing.paths[1:], CANDIDATE, TRACE))
        markers.append(_lines("chosen", drawing.paths[:1], CHOSEN, 2.0 * TRACE))
    markers.append(_feet(drawing))
    for name, arrows, color in (
        ("force", drawing.forces, FORCE),
        ("wanted", drawing.wanted[None], WANTED),
        ("actual", drawing.actual[None], ACTUAL),
    ):
        markers += _arrows(name, arrows, color)
    for marker in markers:
        marker.header.frame_id, marker.header.stamp, marker.lifetime = frame_id, stamp, LIFETIME
    return MarkerArray(markers=markers)


def _figure(name: str, figure: Figure, color: Rgba) -> Iterable[Marker]:
    trunk = _marker(name, 0, Marker.CUBE, TRUNK, color)
    trunk.pose.position = _point(figure.position)
    trunk.pose.orientation = quaternion_message(figure.quat_wxyz)
    yield trunk
    points = leg_points(figure)
    legs = _marker(name, 1, Marker.LINE_LIST, (LEG, 0.0, 0.0), color)
    legs.points = _points(np.stack([points[:, :-1], points[:, 1:]], axis=2))
    yield legs


def _lines(name: str, paths: np.ndarray, color: Rgba, width: float) -> Marker:
    """``paths (N, T, L, 3)`` [m] as N x L lines that fade along their way."""
    marker = _marker(name, 0, Marker.LINE_LIST, (width, 0.0, 0.0), color)
    marker.points = _points(np.stack([paths[:, :-1], paths[:, 1:]], axis=3))
    rows = paths.shape[1]
    shades = [ColorRGBA(r=color[0], g=color[1], b=color[2], a=color[3] * (1.0 - row / rows)) for row in range(rows)]
    pairs = [shade for row in range(rows - 1) for _ in range(paths.shape[2]) for shade in shades[row : row + 2]]
    marker.colors = pairs * len(paths)
    return marker


def _feet(drawing: Drawing) -> Marker:
    marker = _marker("feet", 0, Marker.SPHERE_LIST, (2.0 * FOOT_RADIUS,) * 3, FREE)
    marker.points = _points(drawing.feet)
    marker.colors = [_color(LOADED if loaded else FREE) for loaded in drawing.contact]
    return marker


def _arrows(name: str, arrows: np.ndarray, color: Rgba) -> Iterable[Marker]:
    """``arrows (K, 2, 3)`` [m], those of NaN left out."""
    for index, arrow in enumerate(arrows):
        if np.isfinite(arrow).all():
            marker = _marker(name, index, Marker.ARROW, (SHAFT, HEAD, 0.0), color)
            marker.points = _points(arrow)
            yield marker


def _marker(name: str, index: int, kind: int, scale: Sequence[float], color: Rgba) -> Marker:
    marker = Marker(ns=name, id=index, type=kind, action=Marker.ADD, color=_color(color))
    marker.pose.orientation.w = 1.0
    marker.scale.x, marker.scale.y, marker.scale.z = scale
    return marker


def _color(color: Rgba) -> ColorRGBA:
    return ColorRGBA(r=color[0], g=color[1], b=color[2], a=color[3])


def _points(array: np.ndarray) -> list[Point]:
    """``(..., 3)``, flat."""
    return [_point(point) for point in array.reshape(-1, 3)]


def _point(point: np.ndarray) -> Point:
    return Point(x=float(point[0]), y=float(point[1]), z=float(point[2]))
