"""The five processes as a user runs them, with a wire that can be spoiled between them and the simulated robot."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from diffusion_mpc_msgs.msg import Plan
from rclpy.duration import Duration
from rclpy.qos import QoSProfile

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.faults import broken_writer
from diffusion_mpc_ros.faults.clocks import Clocks
from diffusion_mpc_ros.faults.domains import free_domains
from diffusion_mpc_ros.faults.launcher import Launcher
from diffusion_mpc_ros.faults.monitor import Monitor
from diffusion_mpc_ros.faults.plan_faults import PlanFault, unchanged
from diffusion_mpc_ros.faults.processes import RobotProcesses
from diffusion_mpc_ros.faults.relay_process import RelayProcess
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.nodes.graph_client import OperatorError
from diffusion_mpc_ros.nodes.operator import Operator
from diffusion_mpc_ros.nodes.qos import RELIABLE
from diffusion_mpc_ros.realtime.scheduling import schedule_thread_realtime

# Of the harness's own threads, below every node but above other load: it is to disturb, not to be disturbed.
PRIORITY = 5
TRUE_PLANS = "plan_true"
# How long a new publisher may take to be discovered, a message to be acknowledged [s].
DISCOVERY, ACKNOWLEDGED = 10.0, 1.0
# The publisher knows of a subscription before the subscription knows of it; what is sent in between waits for the
# middleware's next heartbeat [s].
MATCHED = 0.5
FULL = Path("/dev/full")


@dataclass(frozen=True)
class Setup:
    """How the processes are started.

    ``plans_pass``: plans go through the harness, which may change them. ``realtime``: with real-time scheduling where
    the system grants it. ``disk_full``: nothing of what they print or log can be written. ``full_pipes``: nobody reads
    what they print. ``launched``: by a launcher that can be ended. ``clocks``: with clocks that can be made to stand
    still. ``broken_writer``: command_publisher's DDS writer can be made to take nothing. All but the simulator's.
    """

    plans_pass: bool = False
    realtime: bool = True
    disk_full: bool = False
    full_pipes: bool = False
    launched: bool = False
    clocks: bool = False
    broken_writer: bool = False


class Harness:
    """Stands the processes up in domains of their own while a ``with`` statement lasts.

    ``parameters`` of the nodes, by node and name; ``seed`` of what is random; ``planner``:
    its name. ``folder``: what the processes print.
    """

    def __init__(
        self,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
        seed: int = 0,
        planner: str = bringup.BringupOptions.planner,
    ) -> None:
        self.seed, self._planner = seed, planner
        self._parameters = {name: dict(values) for name, values in (parameters or {}).items()}
        self._stack = ExitStack()
        self._setup = Setup()
        self._full_disk: Path | None = None
        self._tried_to_mount = False
        self.plan_fault: PlanFault = unchanged
        self.folder = Path(tempfile.mkdtemp(prefix="diffusion-mpc-faults-"))

    def __enter__(self) -> Harness:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def apply(self, setup: Setup) -> list[str]:
        """Restart those processes that ``setup`` starts in another way; their names."""
        self._setup = setup
        variables = dict(self._environment)
        if setup.disk_full and self.full_disk() is not None:
            variables["ROS_LOG_DIR"] = str(self.full_disk())
        output = FULL if setup.disk_full else self.full_pipe() if setup.full_pipes else None
        controller: dict[str, str] = {}
        if setup.launched:
            controller |= self.launcher.environment()
        if setup.clocks:
            controller |= self.clocks.environment()
        modules = {"command_publisher": "diffusion_mpc_ros.faults.broken_writer"} if setup.broken_writer else {}
        if setup.broken_writer:
            controller[broken_writer.VARIABLE] = str(self.broken_writer_switch)
        return self.processes.configure(self._specs(setup), variables, output, controller, modules)

    def relaunch(self) -> None:
        """Start from now on what a new launcher launches: the one before has ended."""
        self.apply(self._setup)

    @property
    def broken_writer_switch(self) -> Path:
        """While this file exists, the writer of a setup with ``broken_writer`` takes nothing."""
        return self.folder / "broken_writer"

    def full_pipe(self) -> Path:
        """Make a pipe that is full, and that nobody reads."""
        path = self.folder / "full_pipe"
        if not path.exists():
            os.mkfifo(path)
            # Both ends: whoever opens it for writing does not wait for a reader.
            descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            self._stack.callback(os.close, descriptor)
            with suppress(BlockingIOError):
                while True:
                    os.write(descriptor, b"\0" * 4096)
        return path

    def full_disk(self) -> Path | None:
        """Make a file system without a free byte; None where mounting one is not permitted."""
        if not self._tried_to_mount:
            self._tried_to_mount, self._full_disk = True, self._mount_full_disk()
        return self._full_disk

    @property
    def setup(self) -> str:
        """How the processes run, in words; "" when as usual."""
        if self._setup.full_pipes:
            return "standard output and error to a full pipe"
        if not self._setup.disk_full:
            return ""
        logs = "log files on a full file system" if self.full_disk() else "log files not tried: mounting is denied"
        return f"standard output to {FULL}, {logs}"

    def command(self, cmd_vel: tuple[float, float, float] | np.ndarray) -> None:
        """Hold the robot and ask for a velocity: vx, vy [m/s], yaw rate [rad/s]."""
        self.operator.command(np.asarray(cmd_vel, dtype=np.float64))
        if not self._holding:
            self._holding = True
            self.operator.drive()
        self.relay.hold(True)

    def let_go(self) -> None:
        """Publish no velocity any more: nobody holds the robot from now on, unless somebody else does."""
        self.operator.let_go()
        self._holding = False
        self.relay.hold(False)

    @contextmanager
    def publisher(
        self, message_type: type, topic: str, qos: QoSProfile = RELIABLE, heard: bool = True
    ) -> Iterator[Callable[[Any], None]]:
        """Yield a function that publishes on ``topic``; what was published has arrived at the end.

        ``heard``: somebody listens from the start.
        """
        publisher = self.operator.node.create_publisher(message_type, topic, qos)
        try:
            if heard:
                if not self.monitor.wait(lambda: publisher.get_subscription_count() > 0, DISCOVERY):
                    raise OperatorError(f"nobody subscribes to {topic!r} within {DISCOVERY:.0f} s")
                time.sleep(MATCHED)
            yield publisher.publish
            publisher.wait_for_all_acked(Duration(seconds=ACKNOWLEDGED))
        finally:
            self.operator.node.destroy_publisher(publisher)

    def request(self, name: str) -> None:
        """Call a service of command_publisher; raises OperatorError with its reason when it refuses."""
        if name == "stand_up":
            self.relay.permit()
        self.operator.request(name)

    def _open(self) -> None:
        ros, self.controller_domain, self.robot_domain = free_domains(3)
        self._environment = {
            **bringup.environment(sim=True),
            "ROS_DOMAIN_ID": str(ros),
            "ROS_LOG_DIR": str(self.folder),
        }
        self._stack.enter_context(_environment(self._environment))
        self.interface = bringup.SIMULATION_INTERFACE
        self.relay = self._stack.enter_context(
            RelayProcess(self.interface, self.robot_domain, self.controller_domain, self.folder / "relay.log")
        )
        self.processes = RobotProcesses(self._specs(self._setup), self._environment, self.folder)
        self.launcher = self._stack.enter_context(Launcher())
        self.clocks = Clocks(self.folder)
        self._stack.callback(self.processes.stop)
        self.processes.start_missing()
        with _realtime_threads():
            self.operator = self._stack.enter_context(Operator())
            robot = self._stack.enter_context(open_domain(self.interface, self.robot_domain))
            self.monitor = Monitor(self.operator, robot)
        self._stack.callback(self.monitor.close)
        self._pass_plans()
        self._holding = False
        self.command((0.0, 0.0, 0.0))

    def _pass_plans(self) -> None:
        publisher = self.operator.node.create_publisher(Plan, "plan", RELIABLE)
        self.operator.node.create_subscription(
            Plan, TRUE_PLANS, lambda plan: publisher.publish(self.plan_fault(plan)), RELIABLE
        )

    def _specs(self, setup: Setup) -> list[bringup.ProcessSpec]:
        parameters = self._all_parameters(setup.realtime)
        specs = bringup.processes(
            bringup.BringupOptions(
                planner=self._planner,
                domain_id=self.controller_domain,
                simulator_domain_id=self.robot_domain,
                parameters=parameters,
            )
        )
        if setup.plans_pass:
            passed = (("plan", TRUE_PLANS),)
            specs = [replace(spec, remappings=passed) if spec.name == "planner" else spec for spec in specs]
        return specs

    def _all_parameters(self, realtime: bool) -> dict[str, dict[str, Any]]:
        parameters = {name: dict(self._parameters.get(name, {})) for name in bringup.EXECUTABLES}
        if not realtime:
            for name, values in parameters.items():
                if "realtime_priority" in bringup.load_parameters(name):
                    values["realtime_priority"] = 0
        return parameters

    def _mount_full_disk(self) -> Path | None:
        target = self.folder / "full"
        target.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(target)]
        try:
            if subprocess.run(mount, capture_output=True, check=False, timeout=10).returncode:
                return None
        except OSError:
            return None
        self._stack.callback(subprocess.run, ["umount", "-l", str(target)], check=False, capture_output=True)
        with (target / "filler").open("wb") as filler, suppress(OSError):
            filler.write(b"\0" * 2**20)
        return target


@contextmanager
def _realtime_threads():
    """Threads made meanwhile have a real-time priority; this one, whose processes would inherit it, has none after."""
    granted = schedule_thread_realtime(PRIORITY)
    try:
        yield
    finally:
        if granted:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextmanager
def _environment(variables: Mapping[str, str]):
    """Set environment variables of this process, for its own ROS node, and put them back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
