"""Plans on their topics: what command_publisher executes, and what people look at."""

from __future__ import annotations

from diffusion_mpc_msgs.msg import Candidates as CandidatesMessage
from diffusion_mpc_msgs.msg import Plan as PlanMessage
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

from diffusion_mpc_ros.core.types import Plan
from diffusion_mpc_ros.nodes.conversions.candidates import candidates_message
from diffusion_mpc_ros.nodes.conversions.plans import plan_message
from diffusion_mpc_ros.nodes.conversions.predictions import joint_trajectory_message, predicted_feet_message
from diffusion_mpc_ros.nodes.qos import LATEST, RELIABLE


class PlanPublisher:
    """Publishes ``plan``, ``predicted_trajectory``, ``predicted_feet`` and ``candidates`` as ``node``.

    The feet are given in ``base_frame``.
    """

    def __init__(self, node: Node, base_frame: str) -> None:
        self._clock, self._base_frame = node.get_clock(), base_frame
        self._plans = node.create_publisher(PlanMessage, "plan", RELIABLE)
        self._predictions = node.create_publisher(JointTrajectory, "predicted_trajectory", LATEST)
        self._feet = node.create_publisher(MarkerArray, "predicted_feet", LATEST)
        self._candidates = node.create_publisher(CandidatesMessage, "candidates", LATEST)

    def publish(self, plan: Plan, artefact: str) -> None:
        """Publish the plan of one robot; ``artefact``: the SHA-256 of the model that made it, "" for none."""
        self._plans.publish(plan_message(plan, artefact, self._clock.now().to_msg()))

    def show(self, plan: Plan) -> None:
        """Publish what ``plan`` predicts and what it was compared with, where anybody looks on; after it has left."""
        stamp = self._clock.now().to_msg()
        if self._predictions.get_subscription_count():
            self._predictions.publish(joint_trajectory_message(plan, stamp))
        if self._feet.get_subscription_count():
            self._feet.publish(predicted_feet_message(plan, stamp, self._base_frame))
        if plan.candidates is not None and self._candidates.get_subscription_count():
            self._candidates.publish(candidates_message(plan.start_tick, plan.candidates, stamp))
