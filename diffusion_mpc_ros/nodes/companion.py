"""A second ROS node of a node's process, for topics or services that must not wait for the others."""

from __future__ import annotations

import rclpy
from rclpy.context import Context
from rclpy.node import Node


def companion(owner: Node, suffix: str, context: Context) -> Node:
    """Return a node ``OWNER_SUFFIX`` in the namespace of ``owner``, without parameters and log topic of its own."""
    return rclpy.create_node(
        f"{owner.get_name()}_{suffix}",
        namespace=owner.get_namespace(),
        context=context,
        use_global_arguments=False,
        enable_rosout=False,
        start_parameter_services=False,
    )
