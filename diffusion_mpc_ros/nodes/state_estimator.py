"""The node ``state_estimator``: ``rt/lowstate`` in, one atomic ``robot_state`` per control tick out.

Also publishes ``joint_states``, ``imu/data``, ``odom``, the Unitree remote as ``remote`` (sensor_msgs/Joy) and, where
tf2_msgs is installed, the transform odom -> base. All that is published from the thread that receives LowState, as soon
as a tick's first one is there. ``/diagnostics`` says every second which feet do without their force sensors.
"""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus
from diffusion_mpc_msgs.msg import RobotState
from nav_msgs.msg import Odometry
from rclpy.publisher import Publisher
from sensor_msgs.msg import Imu, JointState, Joy

from diffusion_mpc_ros.core.closing import close_all
from diffusion_mpc_ros.core.go2 import CONTROL_TICK_MS, LEGS
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.go2.channels import LOWCMD, Subscriber, lowstate_of
from diffusion_mpc_ros.go2.pacing import lowstate_pace
from diffusion_mpc_ros.go2.profile import FOOT_FORCE
from diffusion_mpc_ros.go2.remote import decode_remote
from diffusion_mpc_ros.nodes.conversions.gamepads import joy_message
from diffusion_mpc_ros.nodes.conversions.measurements import (
    imu_message,
    joint_state_message,
    odometry_message,
    transform_message,
)
from diffusion_mpc_ros.nodes.conversions.optional import optional_module
from diffusion_mpc_ros.nodes.conversions.robot_states import robot_state_message
from diffusion_mpc_ros.nodes.estimation import StateSampler, TickSnapshot, describe_foot_sensors
from diffusion_mpc_ros.nodes.managed_node import ManagedNode, Status
from diffusion_mpc_ros.nodes.parameters import frame_prefix
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM
from diffusion_mpc_ros.nodes.robot_domain import join, robot_profile
from diffusion_mpc_ros.nodes.runtime import run
from diffusion_mpc_ros.nodes.settings import StateEstimatorSettings
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime

# Two LowStates a tick are filtered [ms]: the first one, and one half-way to the next.
PERIOD_MS = CONTROL_TICK_MS // 2
# The least time between two warnings in the log [s].
WARNING_PERIOD = 30.0


class StateEstimator(ManagedNode):
    """Hands every LowState to the :class:`StateSampler` and publishes what it returns."""

    def __init__(self) -> None:
        super().__init__("state_estimator")
        settings = self.declare(StateEstimatorSettings)
        prefix = frame_prefix(self, settings.frame_prefix)
        self._odom_frame, self._base_frame = prefix + settings.odom_frame, prefix + settings.base_frame
        self._states = self.create_publisher(RobotState, "robot_state", STREAM)
        self._joint_states = self.create_publisher(JointState, "joint_states", RELIABLE)
        self._imu = self.create_publisher(Imu, "imu/data", RELIABLE)
        self._odometry = self.create_publisher(Odometry, "odom", RELIABLE)
        self._remote = self.create_publisher(Joy, "remote", RELIABLE)
        self._tf2_msgs, self._transforms = optional_module("tf2_msgs.msg"), None
        if self._tf2_msgs is None:
            self.get_logger().info("tf2_msgs is not installed: no /tf")
        else:
            self._transforms = self.create_publisher(self._tf2_msgs.TFMessage, "/tf", RELIABLE)
        profile = robot_profile(settings)
        self._foot_sensors = FOOT_FORCE not in profile.missing
        self._sampler = StateSampler(foot_sensors=self._foot_sensors)
        # The DDS library's threads, which receive and publish, inherit it.
        schedule_realtime(settings.realtime_priority)
        self._domain = join(self, settings)
        self._lowcmds = Subscriber(self._domain, LOWCMD, self._sampler.note_command)
        pace = lowstate_pace(profile, PERIOD_MS)
        self._lowstates = Subscriber(
            self._domain, lowstate_of(profile), self._on_lowstate, single_source=True, pace=pace
        )

    def close(self) -> None:
        """Leave the robot's topics."""
        close_all(self._lowstates.close, self._lowcmds.close, self._domain.close)

    def _on_lowstate(self, lowstate: LowState) -> None:
        """In the thread of the DDS library."""
        try:
            snapshot = self._sampler.update(lowstate)
            if snapshot is not None:
                self._publish(snapshot)
        except Exception as error:  # it would only be logged there; a dead estimator has to be seen
            self.fail(error)

    def _publish(self, snapshot: TickSnapshot) -> None:
        stamp = self.stamp()
        state, lowstate = snapshot.state, snapshot.lowstate
        self._states.publish(robot_state_message(state, lowstate, stamp, self._base_frame))
        if _heard(self._joint_states):
            self._joint_states.publish(joint_state_message(state, stamp))
        if _heard(self._imu):
            self._imu.publish(imu_message(lowstate, stamp, self._base_frame))
        if _heard(self._remote) and (remote := decode_remote(lowstate.wireless_remote)) is not None:
            self._remote.publish(joy_message(remote, stamp))
        if _heard(self._odometry) or _heard(self._transforms):
            frames = (self._odom_frame, self._base_frame)
            odometry = odometry_message(state, snapshot.position, stamp, frames)
            self._odometry.publish(odometry)
            if self._tf2_msgs is not None and self._transforms is not None:
                transform = transform_message(odometry)
                self._transforms.publish(self._tf2_msgs.TFMessage(transforms=[transform]))

    def status(self) -> Status:
        """Return which feet do without their force sensors."""
        if not self._foot_sensors:
            return DiagnosticStatus.OK, "contact by joint torques: this robot has no force sensors", {}
        work = self._sampler.foot_sensors_work
        warning = describe_foot_sensors(work)
        if warning:
            self.get_logger().warning(warning, throttle_duration_sec=WARNING_PERIOD)
        level = DiagnosticStatus.WARN if warning else DiagnosticStatus.OK
        values = {f"contact_{leg}": "sensor" if works else "inferred" for leg, works in zip(LEGS, work)}
        return level, warning or "contact by the force sensors of all feet", values


def _heard(publisher: Publisher | None) -> bool:
    """Return whether anybody subscribes: what nobody reads is not made, 50 times a second."""
    return publisher is not None and publisher.get_subscription_count() > 0


def main() -> None:
    """Console entry point."""
    run(StateEstimator)


if __name__ == "__main__":
    main()
