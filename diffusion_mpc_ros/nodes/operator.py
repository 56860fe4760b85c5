"""The operator's side of the ROS graph: service calls, velocity commands, emergency stops."""

from __future__ import annotations

import math
import time

import numpy as np
from diffusion_mpc_msgs.msg import JointCommand
from diffusion_mpc_msgs.srv import GetRewardWeights, SetRewardWeights
from geometry_msgs.msg import Twist
from rclpy.clock import Clock, ClockType
from rclpy.publisher import Publisher
from rclpy.timer import Timer
from std_srvs.srv import Trigger

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.nodes.conversions.joint_commands import MODES, read_joint_command
from diffusion_mpc_ros.nodes.graph_client import DISCOVERY_TIMEOUT, GraphClient, OperatorError
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM
from diffusion_mpc_ros.nodes.stop_panel import LAST_WORD_TIMEOUT, UNHEARD, StopPanel

CMD_VEL_PERIOD = 0.05


class Operator(GraphClient):
    """Asks the five nodes for things, and follows what the robot does."""

    def __init__(self, namespace: str = "") -> None:
        super().__init__("operator", namespace)
        self.mode: Mode | None = None
        self.fault = ""
        self.last_heard = -math.inf  # [s, monotonic], when mode and fault were
        self._command, self._sent = np.zeros(3), np.zeros(3)
        self._cmd_vel: Publisher | None = None
        self._driving: Timer | None = None
        self._stop_panel = StopPanel(self._node)

    def close(self) -> None:
        """Leave the ROS graph; a robot that was driven is told to stop."""
        self.command(np.zeros(3))
        # Who has let go already says nothing more: somebody else may drive by now.
        if self._sent.any():
            self.send_velocity(np.zeros(3)).wait_for_all_acked(LAST_WORD_TIMEOUT)
        super().close()

    def follow(self) -> None:
        """Begin to follow mode and fault, recording nothing."""
        self.intake.subscribe(JointCommand, "joint_command", read_joint_command, self._on_mode, STREAM)

    def drive(self) -> None:
        """Begin to publish the velocity command of :meth:`command`, 20 times a second, whoever is there or not.

        For programs; what a person asks for goes by :meth:`send_velocity`.
        """
        self.advertise_velocity()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._driving = self._node.create_timer(CMD_VEL_PERIOD, lambda: self.send_velocity(self._command), clock=steady)

    def let_go(self) -> None:
        """Stop what :meth:`drive` has begun: leave cmd_vel without a word."""
        if self._driving is not None:
            self._node.destroy_timer(self._driving)
            self._node.destroy_publisher(self.advertise_velocity())
            self._driving = self._cmd_vel = None
            self._sent = np.zeros(3)

    def command(self, cmd_vel: np.ndarray) -> None:
        """Ask for ``cmd_vel (3,)``: vx, vy [m/s], yaw rate [rad/s], from now on."""
        self._command = np.asarray(cmd_vel, dtype=np.float64)

    def advertise_velocity(self) -> Publisher:
        """Become a publisher of cmd_vel that is silent until :meth:`send_velocity`; return it."""
        if self._cmd_vel is None:
            self._cmd_vel = self._node.create_publisher(Twist, "cmd_vel", RELIABLE)
        return self._cmd_vel

    def send_velocity(self, cmd_vel: np.ndarray) -> Publisher:
        """Publish ``cmd_vel (3,)``: vx, vy [m/s], yaw rate [rad/s], once; nothing repeats it. Return its publisher."""
        message = Twist()
        message.linear.x, message.linear.y, message.angular.z = (float(value) for value in cmd_vel)
        self._sent = cmd_vel
        publisher = self.advertise_velocity()
        publisher.publish(message)
        return publisher

    def request(self, name: str, node: str = "command_publisher") -> None:
        """Call one of a node's services (``stand_up``, ``walk``, ...); raises OperatorError when refused."""
        answer = self.call(Trigger, f"{node}/{name}", Trigger.Request())
        if not answer.success:
            raise OperatorError(f"{name} was refused: {answer.message}")

    def emergency_stop(self) -> None:
        """Assert the emergency stop, until released, on the topic, and once by the service; waits for nothing.

        Raises OperatorError when nobody is there to hear it.
        """
        self._stop_panel.say(True)
        if not self._stop_panel.heard:
            raise OperatorError(UNHEARD)

    def emergency_stop_delivered(self) -> None:
        """Assert the emergency stop and return when whoever is there has it; for who leaves at once.

        The fault stays when this program ends. Raises OperatorError when nobody is there to hear it.
        """
        ended = time.monotonic() + DISCOVERY_TIMEOUT
        while not self._stop_panel.heard and time.monotonic() < ended:
            time.sleep(CMD_VEL_PERIOD)
        self.emergency_stop()
        self._stop_panel.delivered()

    def release_emergency_stop(self) -> None:
        """Assert it no more; the fault stays until cleared, and other sources' assertions with it.

        Returns when whoever is there has the message.
        """
        # One message is kept: a stop that is still under way must not be replaced by its release.
        self._stop_panel.delivered()
        self._stop_panel.say(False)
        self._stop_panel.delivered()

    def set_rewards(self, request: SetRewardWeights.Request) -> SetRewardWeights.Response:
        """Change reward weights; raises RewardError with the composer's reason when it refuses."""
        answer = self.call(SetRewardWeights, "set_reward_weights", request)
        if not answer.success:
            raise RewardError(answer.message)
        return answer

    def get_rewards(self) -> GetRewardWeights.Response:
        """Return the reward weights in force and what can be set."""
        return self.call(GetRewardWeights, "get_reward_weights", GetRewardWeights.Request())

    def _on_mode(self, message: JointCommand) -> None:
        self.mode, self.fault, self.last_heard = MODES[message.mode], message.fault, time.monotonic()
        self.notify()
