"""An operator that records what the nodes say and, in simulation, what the robot truly does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from diffusion_mpc_msgs import msg as messages
from diffusion_mpc_msgs.msg import JointCommand

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.message_fields import read_plan
from diffusion_mpc_ros.core.types import Plan, RobotState
from diffusion_mpc_ros.go2.channels import SPORTMODESTATE, Subscriber
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.go2.messages import SportModeState
from diffusion_mpc_ros.nodes.conversions.fields import stamp_ns
from diffusion_mpc_ros.nodes.conversions.joint_commands import read_joint_command
from diffusion_mpc_ros.nodes.conversions.robot_states import read_robot_state
from diffusion_mpc_ros.nodes.operator import Operator
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM
from diffusion_mpc_ros.realtime.measurement import CommandSample, Recording, TruthSample


def truth_sample(state: SportModeState) -> TruthSample:
    """Return the simulator's true base state as received now, the velocity turned into the base frame."""
    return TruthSample(
        time=time.monotonic(),
        lin_vel_b=rotations.rotate_inverse(state.base_quat_wxyz, state.velocity),
        yaw_rate=float(state.base_ang_vel[2]),
        height=float(state.body_height),
        tilt=float(rotations.tilt(rotations.projected_gravity(state.base_quat_wxyz))),
        climb=float(state.velocity[2]),
    )


class RecordingOperator(Operator):
    """Keeps what it hears in :attr:`recording`."""

    def __init__(self, namespace: str = "") -> None:
        super().__init__(namespace)
        self.recording = Recording()

    def command(self, cmd_vel: np.ndarray) -> None:
        """See :class:`Operator`; when another velocity was asked for is kept."""
        asked = self.recording.asked
        if not asked or not np.array_equal(asked[-1][1], cmd_vel):
            asked.append((time.monotonic(), np.asarray(cmd_vel, dtype=np.float64)))
        super().command(cmd_vel)

    def record(self) -> None:
        """Begin to record commands, plans and robot states; mode and fault are followed with them."""
        self.intake.subscribe(JointCommand, "joint_command", read_joint_command, self._on_command, STREAM)
        self.intake.subscribe(messages.RobotState, "robot_state", read_robot_state, self._on_state, STREAM)
        self.intake.subscribe(messages.Plan, "plan", read_plan, self._on_plan, RELIABLE)

    @contextmanager
    def record_truth(self, network_interface: str, domain_id: int) -> Iterator[None]:
        """Record the simulator's true base state while the context lasts; raises InterfaceError."""
        with open_domain(network_interface, domain_id) as domain:
            subscriber = Subscriber(domain, SPORTMODESTATE, self._on_truth)
            try:
                yield
            finally:
                subscriber.close()

    def _on_command(self, message: JointCommand) -> None:
        sent = stamp_ns(message.header.stamp) * 1e-9
        from_plan = message.plan_row >= 0
        self.recording.commands.append(CommandSample(time.monotonic(), sent, message.tick, message.lateness, from_plan))
        self._on_mode(message)

    def _on_state(self, state: RobotState) -> None:
        self.recording.joint_vel.append((time.monotonic(), float(np.mean(np.square(state.joint_vel)))))

    def _on_plan(self, plan: Plan) -> None:
        self.recording.plan_times.append((time.monotonic(), plan.plan_time))
        self.notify()

    def _on_truth(self, state: SportModeState) -> None:
        self.recording.truth.append(truth_sample(state))
        self.notify()
