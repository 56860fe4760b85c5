"""The motors' side of command_publisher: the LowCmd writer, its watchdog, and who else commands the motors."""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.go2 import DAMPING_KD
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWCMD_DRY_RUN, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import Go2Domain
from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcher
from diffusion_mpc_ros.go2.profile import BATTERY, GO2, MOTION_SWITCHER, RobotProfile
from diffusion_mpc_ros.nodes.watchdog_process import WatchdogProcess

# Labels of the publishers of rt/lowcmd: this, then what makes the process unique, then whether it is its watchdog.
COMMAND_PUBLISHER, WATCHDOG = "diffusion_mpc_ros command_publisher", " watchdog"
# How long one answer of the motion switcher may take, and how often it is asked [s].
SWITCHER_TIMEOUT, CHECK_PERIOD = 0.5, 1.0
# How often the watchdog is looked at [s].
WATCHDOG_PERIOD = 0.2
# The last word is said this often: the topic is not a reliable one.
LAST_COMMANDS = 3
# Longer than one question to the motion switcher with its retries, or a release in progress [s].
STOP_TIMEOUT = 10.0


@dataclass(frozen=True)
class LinkOptions:
    """How the motors are reached.

    ``dry_run``: commands go to a topic that no robot listens to. ``release``: make the robot's own controller let go at
    the start; ``restore``: give the motors back to it at the end. ``watchdog_timeout`` [s] of silence while armed;
    ``watchdog_priority``: its real-time priority, 0 for none. ``profile``: of the robot that is commanded.
    """

    network_interface: str
    domain_id: int
    watchdog_timeout: float
    watchdog_priority: int = 0
    dry_run: bool = False
    release: bool = False
    restore: bool = False
    profile: RobotProfile = GO2

    @property
    def asks_switcher(self) -> bool:
        """Whether somebody else may command the motors and has to let go: not in a dry run, where none moves."""
        return not self.dry_run and MOTION_SWITCHER not in self.profile.missing


class RobotLink:
    """Sends commands, keeps the watchdog informed, and watches in a thread of its own who else commands the motors.

    Whoever owns it calls :meth:`send` once a tick, and :meth:`close` at the end.
    ``on_failure`` gets the InterfaceError of a release that did not succeed.
    """

    def __init__(self, domain: Go2Domain, options: LinkOptions, on_failure: Callable[[Exception], None]) -> None:
        self._options, self._on_failure = options, on_failure
        label = f"{COMMAND_PUBLISHER} {uuid.uuid4().hex}"
        self._own_labels = (label, f"{label}{WATCHDOG}")
        self._commands = Publisher(domain, LOWCMD_DRY_RUN if options.dry_run else LOWCMD, label)
        # Tells who publishes; its samples are mostly this process's own.
        self._lowcmds = Subscriber(domain, LOWCMD)
        self._switcher = MotionSwitcher(domain, SWITCHER_TIMEOUT)
        self._damping = self._last = self._encode(JointCommand.damping(DAMPING_KD))
        self._write_error, self._commanded = "", False
        self._watchdog = self._start_watchdog()
        self._watched = False
        self._robot_controller: str | None = None if options.asks_switcher else ""
        self._released = ""
        self._waiting_for = "the robot's motion switcher" if options.asks_switcher else ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="robot_link", daemon=True)
        self._thread.start()

    @property
    def profile(self) -> RobotProfile:
        """Of the robot that is commanded."""
        return self._options.profile

    @property
    def waiting_for(self) -> str:
        """What must happen before the first command is sent, "" once everything has."""
        if not self._waiting_for and not self._watched:
            self._watched = self._watchdog.ready
        return self._waiting_for or ("" if self._watched else "the watchdog process")

    def status(self, **known: str) -> LinkStatus:
        """Return what is known now, together with what the caller knows, by field of LinkStatus; never blocks."""
        return LinkStatus(
            robot_controller=self._robot_controller,
            foreign_publishers=0 if self._options.dry_run else self._foreign_publishers(),
            write_error=self._write_error,
            watchdog_ready=self._watchdog.ready,
            dry_run=self._options.dry_run,
            tells_charge=BATTERY not in self._options.profile.missing,
            **known,
        )

    def watchdog_took_over(self) -> bool:
        """Whether the watchdog has begun to damp the robot since this was last asked."""
        return self._watchdog.took_over()

    def send(self, command: JointCommand, armed: bool, valid: Callable[[], bool] = lambda: True) -> bool:
        """Publish ``command``, or damping where ``valid`` says right before the write that it came too late.

        ``armed``: the robot is held, or falls, so that silence after it calls for the watchdog; a write that fails is
        silence. Returns whether it was ``command`` that left.
        """
        self._commanded = True
        sample = self._encode(command)
        in_time = valid()
        self._last = sample if in_time else self._damping
        try:
            self._commands.write(self._last)
        except InterfaceError as error:
            self._write_error = str(error)
            return False
        self._write_error = ""
        self._watchdog.beat(armed)
        return in_time

    def repeat(self, valid: Callable[[], bool]) -> bool:
        """Publish the last command once more, or damping where ``valid`` says that it is too late for that by now.

        Tells the watchdog nothing: what it waits for is new commands. Returns whether the command was still valid.
        """
        in_time = valid()
        if not in_time:
            self._last = self._damping
        try:
            self._commands.write(self._last)
        except InterfaceError as error:
            self._write_error = str(error)
        return in_time

    def damp(self, armed: bool) -> None:
        """Send damping; ``armed`` as in :meth:`send`."""
        self.send(JointCommand.damping(DAMPING_KD), armed)

    def close(self, at_rest: bool, may_restore: bool) -> None:
        """Leave the topics, the last word being damping.

        ``at_rest``: nothing moves any more; else the watchdog goes on damping. ``may_restore``: the robot lies, so that
        its own controller may have the motors back where that was asked for.
        """
        self._stopped.set()
        self._thread.join(timeout=STOP_TIMEOUT)
        # A robot that was never commanded is another controller's.
        for _ in range(LAST_COMMANDS if self._commanded else 0):
            self.damp(armed=not at_rest)
        if at_rest and not self._write_error:
            self._watchdog.close()
        else:
            self._watchdog.leave()
        try:
            if self._options.restore and self._released and may_restore:
                self._switcher.select(self._released)
        finally:
            for entity in (self._commands, self._lowcmds, self._switcher):
                entity.close()

    def _encode(self, command: JointCommand) -> bytes:
        """Return the sample of ``command``, no more damped than this robot bears."""
        return self._commands.encode(replace(command, kd=np.minimum(command.kd, self._options.profile.kd_max)))

    def _start_watchdog(self) -> WatchdogProcess:
        options = self._options
        return WatchdogProcess(
            options.network_interface,
            options.domain_id,
            self._own_labels[1],
            options.watchdog_timeout,
            options.dry_run,
            options.watchdog_priority,
            min(DAMPING_KD, options.profile.kd_max),
        )

    def _foreign_publishers(self) -> int:
        return sum(label not in self._own_labels for label in self._lowcmds.publisher_labels())

    def _watch(self) -> None:
        try:
            asked = -math.inf
            while not self._stopped.is_set():
                if self._options.asks_switcher and clock.now() - asked >= CHECK_PERIOD:
                    asked = clock.now()
                    self._check_robot_controller()
                if self._watchdog.useless:
                    self._watchdog.kill()
                    self._watchdog = self._start_watchdog()
                self._stopped.wait(WATCHDOG_PERIOD)
        except Exception as error:  # whoever owns the process ends it
            self._on_failure(error)

    def _check_robot_controller(self) -> None:
        """Ask who commands the motors; at the first answer make it let go, where that was asked for."""
        try:
            mode = self._switcher.active_mode()
        except InterfaceError as error:
            self._robot_controller = None
            self._waiting_for = self._waiting_for and str(error)
            return
        if mode and self._waiting_for and self._options.release:
            self._waiting_for = f"the robot's own controller {mode!r} to let go"
            self._released, mode = self._switcher.release(), ""
        self._robot_controller = mode
        if not mode:
            self._waiting_for = ""
        elif self._waiting_for:
            self._waiting_for = (
                f"the robot's own controller {mode!r} to let go of the motors; lay the robot down, then: "
                f"diffusion-mpc release --network-interface {self._options.network_interface}"
            )
