"""The node ``command_publisher``: plans in, ``rt/lowcmd`` out, the safety supervisor in between.

Publishes ``joint_command``, ``/diagnostics`` and, where control_msgs is installed, ``~/controller_state``. Services
(std_srvs/Trigger): ``~/stand_up``, ``~/walk``, ``~/sit_down``, ``~/damp``, ``~/clear_fault``, ``~/e_stop``;
``~/check_artefact``, which the planner asks before it uses another model. Listens to
``e_stop`` (std_msgs/Bool: true asserts an emergency stop, false releases that publisher's own; the fault stays),
``cmd_vel`` and ``joy``: who may move the robot is decided here (control/authority.py), and said in ``joint_command``.
"""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus
from diffusion_mpc_msgs.srv import CheckArtefact

from diffusion_mpc_ros.control.authority import VelocityAuthority
from diffusion_mpc_ros.control.gamepad import describe_buttons
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core.closing import close_all
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.go2.interface_filter import LOOPBACK
from diffusion_mpc_ros.go2.profile import RobotProfile
from diffusion_mpc_ros.nodes import command_reporting
from diffusion_mpc_ros.nodes.checked_artefact import CheckedArtefact
from diffusion_mpc_ros.nodes.command_services import Autostart, CommandServices
from diffusion_mpc_ros.nodes.command_topics import CommandTopics
from diffusion_mpc_ros.nodes.control_loop import ControlLoop
from diffusion_mpc_ros.nodes.managed_node import ManagedNode, Status
from diffusion_mpc_ros.nodes.operator_inputs import OperatorInputs
from diffusion_mpc_ros.nodes.operator_side import OperatorSide
from diffusion_mpc_ros.nodes.operator_topics import OperatorTopics
from diffusion_mpc_ros.nodes.plan_topic import PlanTopic
from diffusion_mpc_ros.nodes.robot_domain import join, link_options, robot_profile
from diffusion_mpc_ros.nodes.robot_link import RobotLink
from diffusion_mpc_ros.nodes.runtime import run
from diffusion_mpc_ros.nodes.settings import CommandPublisherSettings
from diffusion_mpc_ros.nodes.side_services import SideServices
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime

AUTOSTART_PERIOD, WAITING_PERIOD = 1.0, 5.0


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
        any_margin = given.replan_margin is None
        self._artefact = CheckedArtefact(given.artefact, timing, any_margin)
        self._topics = CommandTopics(self)
        # The loop's thread inherits it; the others hold the interpreter's lock now and then and must not be held up.
        self._realtime = schedule_realtime(given.realtime_priority)
        self._domain = join(self, given)
        inputs = OperatorInputs()
        authority = VelocityAuthority(given.stick_velocity, given.command_deadband, given.cmd_vel_timeout)
        self._operator = OperatorTopics(self.intake, inputs, authority, given.gamepad_layout)
        operator = OperatorSide(inputs, self._operator.read, self._operator.read_stops)
        self._link = RobotLink(self._domain, link_options(given, settings.watchdog_timeout, profile), self.fail)
        self._loop = ControlLoop(
            self._domain, self._link, settings, timing, self._topics.add, self.fail, operator, self._artefact.error,
            margin_from_plans=any_margin, read_plans=PlanTopic(self.intake, self._artefact.check).read,
        )  # fmt: skip
        CommandServices(self, self._loop, self._operator.asserting)
        self._side_services = SideServices(self, "checks")
        self._side_services.serve(CheckArtefact, f"{self.get_name()}/check_artefact", self._artefact.offer)
        autostart = Autostart(self._loop, given.autostart)
        self.every(AUTOSTART_PERIOD, lambda: autostart.request_next(self._mode()))
        self._greet(given, profile)

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
        close_all(self._loop.close, self._side_services.close, self._operator.close, self.log_lines, self._domain.close)

    def _greet(self, given: CommandPublisherSettings, profile: RobotProfile) -> None:
        log = self.get_logger()
        log.info(f"gamepad (Unitree remote, topic joy):\n{describe_buttons()}")
        if profile.missing:
            log.warning(f"robot {profile.name!r} is a simulator without {', '.join(sorted(profile.missing))}")
        if given.dry_run:
            log.warning("dry run: commands go to rt/lowcmd_dry_run, no motor moves")
        if self._artefact.error:
            log.error(self._artefact.error)
        if given.realtime_priority and not self._realtime:
            log.info("no real-time scheduling (CAP_SYS_NICE, rtprio limit): other load delays commands")

    def _mode(self) -> Mode | None:
        """Return the mode of the last command, None before the first."""
        return None if self._topics.last is None else self._topics.last.output.mode

    def log_lines(self) -> None:
        """Log what the control thread has to say; a refusal that repeats itself, now and then."""
        super().log_lines()
        self._operator.find_panels()
        for text in self._topics.lines(self._operator.messages):
            self.get_logger().info(text)

    def status(self) -> Status:
        """Return what is commanded, and what is odd about the robot, the link and the timing."""
        if self._topics.last is None:
            text = f"no command is sent yet: waiting for {self._loop.waiting_for or 'the first tick'}"
            self.get_logger().warning(text, throttle_duration_sec=WAITING_PERIOD)
            return DiagnosticStatus.WARN, text, {}
        facts = {"realtime_scheduling": self._realtime, "memory_locked": self.memory_locked}
        return command_reporting.diagnostics(self._topics.last, self._loop, facts)


def main() -> None:
    """Console entry point."""
    run(CommandPublisher)


if __name__ == "__main__":
    main()
