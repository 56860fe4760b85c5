"""The node ``command_publisher``: plans in, ``rt/lowcmd`` out, the safety supervisor in between.

Publishes ``joint_command``, ``/diagnostics`` and, where control_msgs is installed, ``~/controller_state``. Services
(std_srvs/Trigger) ``~/stand_up``, ``~/walk``, ``~/sit_down``, ``~/damp``, ``~/clear_fault``.
"""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from diffusion_mpc_msgs.msg import JointCommand, Plan
from std_srvs.srv import Trigger

from diffusion_mpc_ros.control.modes import REQUESTS, Event, Mode
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.go2.channels import open_domain
from diffusion_mpc_ros.nodes import conversions, standard_messages
from diffusion_mpc_ros.nodes.control_loop import ControlLoop, ControlStep
from diffusion_mpc_ros.nodes.parameters import (
    DOMAIN_ID,
    HORIZON,
    NETWORK_INTERFACE,
    REPLAN_MARGIN,
    Parameter,
    declare,
    realtime_priority,
)
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM
from diffusion_mpc_ros.nodes.runtime import ManagedNode, run
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime

DIAGNOSTICS_PERIOD = 1.0
WAITING_PERIOD = 5.0
AUTOSTART = Parameter("autostart", False, "Stand up and walk without being asked; for simulation.")
PARAMETERS = (NETWORK_INTERFACE, DOMAIN_ID, HORIZON, REPLAN_MARGIN, AUTOSTART, realtime_priority(60))
# What an autostart asks for in a mode, until the robot walks.
AUTOSTART_REQUESTS = {Mode.DAMPING: Event.STAND_UP, Mode.STANDING: Event.WALK}


class CommandPublisher(ManagedNode):
    """Decodes plans and requests for the :class:`ControlLoop` and reports what it sent."""

    def __init__(self) -> None:
        super().__init__("command_publisher")
        values = declare(self, *PARAMETERS)
        timing = Timing(values["horizon"], values["replan_margin"], replan_interval=1)
        self._commands = self.create_publisher(JointCommand, "joint_command", STREAM)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        self._control_msgs = standard_messages.optional_module("control_msgs.msg")
        if self._control_msgs is None:
            self.get_logger().info("control_msgs is not installed: no ~/controller_state")
        else:
            state_type = self._control_msgs.JointTrajectoryControllerState
            self._controller_states = self.create_publisher(state_type, "~/controller_state", STREAM)
        self._autostart = values["autostart"]
        self._rejected_plans = 0
        self._last: ControlStep | None = None
        settings = load_safety_settings(config_file("safety.yaml"))
        # The loop's thread inherits it; the others hold the interpreter's lock now and then and must not be held up.
        self._realtime = schedule_realtime(values["realtime_priority"])
        if values["realtime_priority"] and not self._realtime:
            self.get_logger().info("no real-time scheduling (CAP_SYS_NICE, rtprio limit): other load delays commands")
        self._domain = open_domain(values["network_interface"], values["domain_id"])
        self._loop = ControlLoop(self._domain, settings, timing, self._on_step, self.fail)
        self.create_subscription(Plan, "plan", self._on_plan, RELIABLE)
        for event in REQUESTS:
            self.create_service(Trigger, f"~/{event.value}", self._handler(event))
        self.create_timer(DIAGNOSTICS_PERIOD, self._every_second)

    def close(self) -> None:
        """Damp, then leave the robot's topics."""
        self._loop.close()
        self._domain.close()

    def _on_plan(self, message: Plan) -> None:
        try:
            self._loop.buffer.add(conversions.plan(message))
        except PlanError as error:
            self._rejected_plans += 1
            self.get_logger().error(f"plan rejected: {error}", throttle_duration_sec=1.0)

    def _handler(self, event: Event):
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            response.success, response.message = self._loop.request(event)
            return response

        return handle

    def _on_step(self, step: ControlStep) -> None:
        """In the control thread, after the command was sent."""
        stamp = self.get_clock().now().to_msg()
        self._commands.publish(conversions.joint_command_message(step, stamp))
        if self._control_msgs is not None:
            message = standard_messages.controller_state_message(self._control_msgs, step, stamp)
            self._controller_states.publish(message)
        if step.output.message:
            self.get_logger().info(step.output.message)
        self._last = step

    def _every_second(self) -> None:
        if self._last is None:
            waiting_for = self._loop.waiting_for or "the first tick"
            text = f"no command is sent yet: waiting for {waiting_for}"
            self.get_logger().warning(text, throttle_duration_sec=WAITING_PERIOD)
            return
        mode = self._last.output.mode
        if self._autostart and mode in AUTOSTART_REQUESTS:
            self._loop.request(AUTOSTART_REQUESTS[mode])
        self._autostart = self._autostart and mode is not Mode.WALKING
        lateness = self._loop.lateness.summary()
        fault = self._last.output.fault
        level = DiagnosticStatus.ERROR if fault else DiagnosticStatus.OK
        values = {
            "ticks": lateness.count,
            "late_ticks": lateness.misses,
            "skipped_ticks": self._loop.skipped,
            "lateness_p50_ms": lateness.p50 * 1e3,
            "lateness_p99_ms": lateness.p99 * 1e3,
            "lateness_max_ms": lateness.max * 1e3,
            "realtime_scheduling": self._realtime,
            "rejected_plans": self._rejected_plans,
            "clamped_joints": self._last.output.clamped,
        }
        self._diagnostics.publish(
            standard_messages.diagnostics_message(
                self.get_name(), level, str(fault or mode.value), values, self.get_clock().now().to_msg()
            )
        )


def main() -> None:
    """Console entry point."""
    run(CommandPublisher)


if __name__ == "__main__":
    main()
