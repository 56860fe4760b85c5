"""The node ``command_publisher``: plans in, ``rt/lowcmd`` out, the safety supervisor in between.

Publishes ``joint_command``, ``/diagnostics`` and, where control_msgs is installed, ``~/controller_state``. Services
(std_srvs/Trigger): ``~/stand_up``, ``~/walk``, ``~/sit_down``, ``~/damp``, ``~/clear_fault``, ``~/e_stop``. Listens to
``e_stop`` (std_msgs/Bool: true asserts an emergency stop, false releases that publisher's own; the fault stays),
``cmd_vel`` and ``joy``: who may move the robot is decided here (control/authority.py), and said in ``joint_command``.
"""

from __future__ import annotations

import math
from collections import deque

from diagnostic_msgs.msg import DiagnosticStatus
from diffusion_mpc_msgs.msg import JointCommand
from diffusion_mpc_msgs.msg import Plan as PlanMessage
from std_srvs.srv import Trigger

from diffusion_mpc_ros.control.authority import VelocityAuthority
from diffusion_mpc_ros.control.gamepad import describe_buttons
from diffusion_mpc_ros.control.modes import REQUESTS, Event, Mode
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import Plan
from diffusion_mpc_ros.go2.interface_filter import LOOPBACK
from diffusion_mpc_ros.go2.link_options import LinkOptions
from diffusion_mpc_ros.go2.profile import RobotProfile
from diffusion_mpc_ros.nodes import command_reporting
from diffusion_mpc_ros.nodes.control_loop import ControlLoop
from diffusion_mpc_ros.nodes.control_step import ControlStep
from diffusion_mpc_ros.nodes.conversions.joint_commands import controller_state_message, joint_command_message
from diffusion_mpc_ros.nodes.conversions.optional import optional_module
from diffusion_mpc_ros.nodes.conversions.plans import read_plan
from diffusion_mpc_ros.nodes.managed_node import ManagedNode, Status
from diffusion_mpc_ros.nodes.operator_inputs import OperatorInputs
from diffusion_mpc_ros.nodes.operator_topics import OperatorTopics
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM
from diffusion_mpc_ros.nodes.robot_domain import join, robot_profile
from diffusion_mpc_ros.nodes.robot_link import RobotLink
from diffusion_mpc_ros.nodes.runtime import run
from diffusion_mpc_ros.nodes.settings import CommandPublisherSettings
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime

AUTOSTART_PERIOD, WAITING_PERIOD = 1.0, 5.0
# What an autostart asks for in a mode, until the robot walks.
AUTOSTART_REQUESTS = {Mode.DAMPING: Event.STAND_UP, Mode.STANDING: Event.WALK}


class CommandPublisher(ManagedNode):
    """Decodes plans and what the operator wants for the :class:`ControlLoop` and reports what it sent."""

    def __init__(self) -> None:
        super().__init__("command_publisher")
        given = self.declare(CommandPublisherSettings)
        if given.autostart and not (given.sim and given.network_interface == LOOPBACK):
            raise ConfigurationError(
                f"autostart needs sim true and network_interface {LOOPBACK!r}: a real robot waits for its operator"
            )
        profile = robot_profile(given)
        timing = given.timing
        settings = load_safety_settings(config_file("safety.yaml"))
        self._artefact, artefact_error = command_reporting.check_artefact(given.artefact, timing)
        self._commands = self.create_publisher(JointCommand, "joint_command", STREAM)
        self._control_msgs = optional_module("control_msgs.msg")
        if self._control_msgs is not None:
            state_type = self._control_msgs.JointTrajectoryControllerState
            self._controller_states = self.create_publisher(state_type, "~/controller_state", STREAM)
        self._autostart = given.autostart
        self._last: ControlStep | None = None
        self._messages: deque[str] = deque(maxlen=100)
        self._told = "", -math.inf  # the last line and when [s]
        # The loop's thread inherits it; the others hold the interpreter's lock now and then and must not be held up.
        self._realtime = schedule_realtime(given.realtime_priority)
        self._domain = join(self, given)
        priority = given.realtime_priority
        options = LinkOptions(
            given.network_interface,
            given.domain_id,
            settings.watchdog_timeout,
            # Above what it watches.
            watchdog_priority=priority + 1 if priority else 0,
            dry_run=given.dry_run,
            release=given.release_robot_controller,
            restore=given.restore_robot_controller,
            profile=profile,
        )
        inputs = OperatorInputs()
        authority = VelocityAuthority(given.stick_velocity, given.command_deadband, given.cmd_vel_timeout)
        self._operator = OperatorTopics(self.intake, inputs, authority, given.gamepad_layout)
        self._link = RobotLink(self._domain, options, self.fail)
        self._loop = ControlLoop(
            self._domain, self._link, settings, timing, self._on_step, self.fail, artefact_error,
            inputs, self._operator.read, self._operator.read_stops,
            margin_from_plans=given.replan_margin is None,
        )  # fmt: skip
        self.intake.subscribe(PlanMessage, "plan", self._decode, self._loop.add, RELIABLE)
        self.create_service(Trigger, "~/e_stop", self._on_stop_service)
        for event in REQUESTS:
            self.create_service(Trigger, f"~/{event.value}", self._handler(event))
        self.every(AUTOSTART_PERIOD, self._request_next)
        self._greet(given, profile, artefact_error)

    @property
    def ended(self) -> bool:
        """Whether the robot has been let down."""
        return self._loop.ended

    def end(self) -> None:
        """Begin to let the robot down."""
        self._loop.end()

    def hurry(self) -> None:
        """Damp at once."""
        self._loop.hurry()

    def close(self) -> None:
        """Damp, then leave the robot's topics."""
        self._loop.close()
        self._operator.close()
        self.log_lines()
        self._domain.close()

    def _greet(self, given: CommandPublisherSettings, profile: RobotProfile, artefact_error: str) -> None:
        log = self.get_logger()
        log.info(f"gamepad (Unitree remote, topic joy):\n{describe_buttons()}")
        if profile.missing:
            log.warning(f"robot {profile.name!r} is a simulator without {', '.join(sorted(profile.missing))}")
        if given.dry_run:
            log.warning("dry run: commands go to rt/lowcmd_dry_run, no motor moves")
        if artefact_error:
            log.error(artefact_error)
        if given.realtime_priority and not self._realtime:
            log.info("no real-time scheduling (CAP_SYS_NICE, rtprio limit): other load delays commands")
        if self._control_msgs is None:
            log.info("control_msgs is not installed: no ~/controller_state")

    def _decode(self, message: PlanMessage) -> Plan:
        command_reporting.check_identity(message, self._artefact)
        return read_plan(message)

    def _on_stop_service(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._loop.inputs.stops.stop("service")
        response.success, response.message = True, "emergency stop: latched until clear_fault"
        return response

    def _handler(self, event: Event):
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            standing = self._operator.asserting() if event is Event.CLEAR_FAULT else []
            if standing:
                reason = f"clear_fault refused: the emergency stop is still asserted: {', '.join(standing)}"
                response.success, response.message = False, reason
            else:
                response.success, response.message = self._loop.request(event)
            return response

        return handle

    def _on_step(self, step: ControlStep) -> None:
        """In the control thread, after the command was sent; what may block is left to :meth:`_log_messages`."""
        self._last = step
        if step.output.message:
            self._messages.append(step.output.message)
        stamp = self.stamp()
        self._commands.publish(joint_command_message(step, stamp))
        if self._control_msgs is not None:
            message = controller_state_message(self._control_msgs, step, stamp)
            self._controller_states.publish(message)

    def log_lines(self) -> None:
        """Log what the control thread has to say; a refusal that repeats itself, now and then."""
        super().log_lines()
        self._operator.find_panels()
        now = clock.now()
        for messages in (self._messages, self._operator.messages):
            while messages:
                text = messages.popleft()
                if text != self._told[0] or now - self._told[1] >= WAITING_PERIOD:
                    self._told = text, now
                    self.get_logger().info(text)

    def _request_next(self) -> None:
        """Ask for what an autostart still needs."""
        mode = None if self._last is None else self._last.output.mode
        if self._autostart and mode in AUTOSTART_REQUESTS:
            self._loop.inputs.post(AUTOSTART_REQUESTS[mode])
        self._autostart = self._autostart and mode is not Mode.WALKING

    def status(self) -> Status:
        """What is commanded, and what is odd about the robot, the link and the timing."""
        if self._last is None:
            text = f"no command is sent yet: waiting for {self._loop.waiting_for or 'the first tick'}"
            self.get_logger().warning(text, throttle_duration_sec=WAITING_PERIOD)
            return DiagnosticStatus.WARN, text, {}
        facts = {"realtime_scheduling": self._realtime, "memory_locked": self.memory_locked}
        return command_reporting.diagnostics(self._last, self._loop, facts)


def main() -> None:
    """Console entry point."""
    run(CommandPublisher)


if __name__ == "__main__":
    main()
