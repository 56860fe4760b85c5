"""The simulated ground, for whoever looks on."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from visualization_msgs.msg import Marker, MarkerArray


def ground_message(triangles: np.ndarray, stamp: Time, frame_id: str) -> MarkerArray:
    """Return triangles with corners ``(n, 3, 3)`` [m] as one marker in the frame ``frame_id``."""
    marker = Marker(ns="ground", type=Marker.TRIANGLE_LIST, action=Marker.ADD)
    marker.header.stamp, marker.header.frame_id = stamp, frame_id
    marker.pose.orientation.w = 1.0
    marker.scale.x = marker.scale.y = marker.scale.z = 1.0
    marker.color.r, marker.color.g, marker.color.b, marker.color.a = 0.55, 0.6, 0.5, 0.8
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in triangles.reshape(-1, 3).tolist()]
    return MarkerArray(markers=[marker])
