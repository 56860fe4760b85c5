"""The emergency stop of somebody who is in the ROS graph: by topic until released, and once by service."""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from diffusion_mpc_ros.nodes.qos import SETTINGS

# How long a message that must not get lost is waited for to arrive.
LAST_WORD_TIMEOUT = Duration(seconds=1.0)
UNHEARD = (
    "nobody hears the emergency stop: no command_publisher in this domain and namespace; one that starts while this "
    "program runs will"
)


class StopPanel:
    """Publishes ``e_stop`` as ``node``; any thread may call.

    There from the start: who stops a robot does not wait for discovery. Kept for a command_publisher that starts after
    it was said.
    """

    def __init__(self, node: Node) -> None:
        self._topic = node.create_publisher(Bool, "e_stop", SETTINGS)
        self._service = node.create_client(Trigger, "command_publisher/e_stop")

    def say(self, asserted: bool) -> None:
        """Assert the stop until released, on the topic, and once by the service; or release it. Waits for nothing."""
        self._topic.publish(Bool(data=asserted))
        if asserted and self._service.service_is_ready():
            self._service.call_async(Trigger.Request())

    @property
    def heard(self) -> bool:
        """Whether somebody is there to hear it."""
        return self._service.service_is_ready() or self._topic.get_subscription_count() > 0

    def delivered(self) -> None:
        """Return when whoever is there has what was said last, or after :data:`LAST_WORD_TIMEOUT`."""
        self._topic.wait_for_all_acked(LAST_WORD_TIMEOUT)
