"""The operator's side of the ROS graph: service calls, velocity commands, recording what is measured."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import rclpy
from diffusion_mpc_msgs.msg import JointCommand, Plan, RewardParameter, RobotState
from diffusion_mpc_msgs.srv import GetRewardWeights, SetRewardWeights
from geometry_msgs.msg import Twist
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.errors import DiffusionMpcError, RewardError
from diffusion_mpc_ros.go2.channels import SPORTMODESTATE, Subscriber, open_domain
from diffusion_mpc_ros.go2.messages import SportModeState
from diffusion_mpc_ros.nodes.conversions import MODES
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM
from diffusion_mpc_ros.nodes.runtime import SPIN_TIMEOUT
from diffusion_mpc_ros.realtime.measurement import CommandSample, Recording, TruthSample

CMD_VEL_PERIOD = 0.05
SERVICE_TIMEOUT = 5.0
# How long a message that must not get lost is waited for to arrive.
LAST_WORD_TIMEOUT = Duration(seconds=1.0)
# A node that was started just now needs time to import, load and be discovered.
DISCOVERY_TIMEOUT = 15.0


class OperatorError(DiffusionMpcError):
    """A node did not answer, or refused what was asked."""


def reward_request(
    *,
    preset: str = "",
    weights: Mapping[str, float] | None = None,
    parameters: Mapping[str, Sequence[float]] | None = None,
    enable: Sequence[str] = (),
    disable: Sequence[str] = (),
    ramp: float = -1.0,
    undo: bool = False,
) -> SetRewardWeights.Request:
    """A request for :meth:`Operator.set_rewards`; ``ramp`` [s], negative for the composer's own."""
    weights = weights or {}
    values = [RewardParameter(name=name, values=list(value)) for name, value in (parameters or {}).items()]
    return SetRewardWeights.Request(
        preset=preset,
        names=list(weights),
        weights=list(weights.values()),
        parameters=values,
        enable_constraints=list(enable),
        disable_constraints=list(disable),
        ramp_duration=float(ramp),
        undo=undo,
    )


def truth_sample(state: SportModeState) -> TruthSample:
    """The simulator's true base state as received now, the velocity turned into the base frame."""
    return TruthSample(
        time=time.monotonic(),
        lin_vel_b=rotations.rotate_inverse(state.base_quat_wxyz, state.velocity),
        yaw_rate=float(state.base_ang_vel[2]),
        height=float(state.position[2]),
        tilt=float(rotations.tilt(rotations.projected_gravity(state.base_quat_wxyz))),
    )


class Operator:
    """A node that asks the five others for things and records their topics; spins in a thread of its own."""

    def __init__(self, namespace: str = "") -> None:
        self.recording = Recording()
        self.mode: Mode | None = None
        self.fault = ""
        self.last_heard = -math.inf  # [s, monotonic], when mode and fault were
        self._command = np.zeros(3)
        self._cmd_vel: Publisher | None = None
        self._changed = threading.Condition()
        self._context = rclpy.Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node(
            "operator", namespace=namespace, context=self._context, enable_rosout=False, start_parameter_services=False
        )
        # There from the start: who stops a robot does not wait for discovery.
        self._e_stop = self._node.create_publisher(Bool, "e_stop", RELIABLE)
        self._e_stop_service = self._node.create_client(Trigger, "command_publisher/e_stop")
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="operator", daemon=True)
        self._thread.start()

    @property
    def node(self) -> Node:
        """The node itself, for whoever subscribes to or publishes more; callbacks run in its thread."""
        return self._node

    def close(self) -> None:
        """Leave the ROS graph; a robot that was driven is told to stop."""
        if self._cmd_vel is not None:
            self.command(np.zeros(3))
            self._publish_command()
            self._cmd_vel.wait_for_all_acked(LAST_WORD_TIMEOUT)
        self._closed.set()
        self._thread.join(timeout=2.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def __enter__(self) -> Operator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def follow(self) -> None:
        """Begin to follow mode and fault, recording nothing."""
        self._node.create_subscription(JointCommand, "joint_command", self._on_mode, STREAM)

    def record(self) -> None:
        """Begin to record commands, plans and robot states."""
        self._node.create_subscription(JointCommand, "joint_command", self._on_command, STREAM)
        self._node.create_subscription(RobotState, "robot_state", self._on_state, STREAM)
        self._node.create_subscription(Plan, "plan", self._on_plan, RELIABLE)

    @contextmanager
    def record_truth(self, network_interface: str, domain_id: int):
        """Record the simulator's true base state while the context lasts; raises InterfaceError."""
        with open_domain(network_interface, domain_id) as domain:
            subscriber = Subscriber(domain, SPORTMODESTATE, self._on_truth)
            try:
                yield
            finally:
                subscriber.close()

    def drive(self) -> None:
        """Begin to publish the velocity command of :meth:`command`, 20 times a second."""
        self._cmd_vel = self._node.create_publisher(Twist, "cmd_vel", RELIABLE)
        self._node.create_timer(CMD_VEL_PERIOD, self._publish_command)

    def command(self, cmd_vel: np.ndarray) -> None:
        """Ask for ``cmd_vel (3,)``: vx, vy [m/s], yaw rate [rad/s], from now on."""
        self._command = np.asarray(cmd_vel, dtype=np.float64)

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait at most ``timeout`` [s] until ``condition`` holds; looked at whenever a message comes."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def request(self, name: str, node: str = "command_publisher") -> None:
        """Call one of a node's services (``stand_up``, ``walk``, ...); raises OperatorError when refused."""
        answer = self._call(Trigger, f"{node}/{name}", Trigger.Request())
        if not answer.success:
            raise OperatorError(f"{name} was refused: {answer.message}")

    def emergency_stop(self) -> None:
        """Assert the emergency stop, until released, on the topic, and once by the service; waits for nothing.

        Raises OperatorError when nobody is there to hear it.
        """
        self._e_stop.publish(Bool(data=True))
        served = self._e_stop_service.service_is_ready()
        if served:
            self._e_stop_service.call_async(Trigger.Request())
        if not served and not self._e_stop.get_subscription_count():
            raise OperatorError("nobody hears the emergency stop: no command_publisher in this domain and namespace")

    def release_emergency_stop(self) -> None:
        """Assert it no more; the fault stays until cleared. Returns when whoever is there has the message."""
        self._e_stop.publish(Bool(data=False))
        self._e_stop.wait_for_all_acked(LAST_WORD_TIMEOUT)

    def set_rewards(self, request: SetRewardWeights.Request) -> SetRewardWeights.Response:
        """Change reward weights; raises RewardError with the composer's reason when it refuses."""
        answer = self._call(SetRewardWeights, "set_reward_weights", request)
        if not answer.success:
            raise RewardError(answer.message)
        return answer

    def get_rewards(self) -> GetRewardWeights.Response:
        """The reward weights in force and what can be set."""
        return self._call(GetRewardWeights, "get_reward_weights", GetRewardWeights.Request())

    def _call(self, service_type, name: str, request):
        client = self._node.create_client(service_type, name)
        try:
            if not client.wait_for_service(timeout_sec=DISCOVERY_TIMEOUT):
                raise OperatorError(
                    f"no service {client.service_name!r} within {DISCOVERY_TIMEOUT:.0f} s: is robot or simulation "
                    "running, in this ROS_DOMAIN_ID and namespace?"
                )
            done = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _: done.set())
            if not done.wait(SERVICE_TIMEOUT):
                raise OperatorError(f"service {client.service_name!r} did not answer within {SERVICE_TIMEOUT:.0f} s")
            return future.result()
        finally:
            self._node.destroy_client(client)

    def _spin(self) -> None:
        # Not the executor's own loop: ending that from another thread destroys what a running callback still needs.
        while not self._closed.is_set():
            self._executor.spin_once(timeout_sec=SPIN_TIMEOUT)

    def _publish_command(self) -> None:
        message = Twist()
        message.linear.x, message.linear.y, message.angular.z = (float(value) for value in self._command)
        self._cmd_vel.publish(message)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _on_mode(self, message: JointCommand) -> None:
        self.mode, self.fault, self.last_heard = MODES[message.mode], message.fault, time.monotonic()
        self._notify()

    def _on_command(self, message: JointCommand) -> None:
        sent = Time.from_msg(message.header.stamp).nanoseconds * 1e-9
        from_plan = message.plan_row >= 0
        self.recording.commands.append(
            CommandSample(time.monotonic(), sent, message.tick, message.lateness, from_plan)
        )
        self._on_mode(message)

    def _on_state(self, message: RobotState) -> None:
        self.recording.joint_vel.append((time.monotonic(), float(np.mean(np.square(message.joint_vel)))))

    def _on_plan(self, message: Plan) -> None:
        self.recording.plan_times.append((time.monotonic(), message.plan_time))
        self._notify()

    def _on_truth(self, state: SportModeState) -> None:
        self.recording.truth.append(truth_sample(state))
        self._notify()
