"""The motors' side of command_publisher: the LowCmd writer, its watchdog, and who else commands the motors."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.closing import close_all
from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.go2 import DAMPING_KD
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.go2.channels import Publisher, lowcmd_of
from diffusion_mpc_ros.go2.domain import Go2Domain
from diffusion_mpc_ros.go2.link_options import LinkOptions, unique_labels
from diffusion_mpc_ros.go2.other_controllers import OtherControllers
from diffusion_mpc_ros.go2.profile import BATTERY, RobotProfile
from diffusion_mpc_ros.nodes.watchdog_handle import WatchdogHandle

# How often the motion switcher is asked, and the watchdog looked at [s].
CHECK_PERIOD, WATCHDOG_PERIOD = 1.0, 0.2
# The last word is said this often: the topic is not a reliable one.
LAST_COMMANDS = 3
# Longer than three questions to the robot's services with their retries [s]; a release in progress is cut short.
STOP_TIMEOUT = 10.0


class RobotLink:
    """Sends commands, keeps the watchdog informed, and watches in a thread of its own who else commands the motors.

    Whoever owns it calls :meth:`send` once a tick, and :meth:`close` at the end.
    ``on_failure`` gets the InterfaceError of a release that did not succeed.
    """

    def __init__(self, domain: Go2Domain, options: LinkOptions, on_failure: Callable[[Exception], None]) -> None:
        self._options, self._on_failure = options, on_failure
        self._own_labels = unique_labels()
        self._commands = Publisher(domain, lowcmd_of(options.profile, options.dry_run), self._own_labels[0])
        self._stopped = threading.Event()
        self._others = OtherControllers(domain, options, self._own_labels, self._stopped.wait)
        self._damping = self._last = self._commands.encode(JointCommand.damping(DAMPING_KD))
        self._write_error, self._commanded = "", False
        self._watchdog = WatchdogHandle(options, self._own_labels[1])
        self._watched = False
        self._thread = threading.Thread(target=self._watch, name="robot_link", daemon=True)
        self._thread.start()

    @property
    def profile(self) -> RobotProfile:
        """Of the robot that is commanded."""
        return self._options.profile

    @property
    def waiting_for(self) -> str:
        """What must happen before the first command is sent, "" once everything has."""
        if not self._others.waiting_for and not self._watched:
            self._watched = self._watchdog.ready
        return self._others.waiting_for or ("" if self._watched else "the watchdog process")

    def status(self, **known: str) -> LinkStatus:
        """Return what is known now, together with what the caller knows, by field of LinkStatus; never blocks."""
        return LinkStatus(
            robot_controller=self._others.active,
            foreign_publishers=self._others.foreign_publishers(),
            write_error=self._write_error,
            watchdog_ready=self._watchdog.ready,
            dry_run=self._options.dry_run,
            tells_charge=BATTERY not in self._options.profile.missing,
            **known,
        )

    def watchdog_took_over(self) -> bool:
        """Return whether the watchdog has begun to damp the robot since this was last asked."""
        return self._watchdog.took_over()

    def send(self, command: JointCommand, armed: bool, valid: Callable[[], bool] = lambda: True) -> bool:
        """Publish ``command``, or damping where ``valid`` says right before the write that it came too late.

        ``armed``: the robot is held, or falls, so that silence after it calls for the watchdog; a write that fails is
        silence. Returns whether it was ``command`` that left.
        """
        self._commanded = True
        sample = self._commands.encode(command)
        in_time = valid()
        self._last = sample if in_time else self._damping
        self._write_error = self._write_last()
        if self._write_error:
            return False
        self._watchdog.beat(armed)
        return in_time

    def repeat(self, valid: Callable[[], bool]) -> bool:
        """Publish the last command once more, or damping where ``valid`` says that it is too late for that by now.

        Tells the watchdog nothing: what it waits for is new commands. Returns whether the command was still valid.
        """
        in_time = valid()
        if not in_time:
            self._last = self._damping
        self._write_error = self._write_last() or self._write_error
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
        restore = self._others.restore if may_restore else lambda: None
        close_all(restore, self._commands.close, self._others.close)

    def _write_last(self) -> str:
        """Return why the last sample was not taken, "" when it was."""
        try:
            self._commands.write(self._last)
        except InterfaceError as error:
            return str(error)
        return ""

    def _watch(self) -> None:
        try:
            asked = -math.inf
            while not self._stopped.is_set():
                if clock.now() - asked >= CHECK_PERIOD:
                    asked = clock.now()
                    self._others.check()
                if self._watchdog.useless:
                    self._watchdog.kill()
                    self._watchdog = WatchdogHandle(self._options, self._own_labels[1])
                self._stopped.wait(WATCHDOG_PERIOD)
        except Exception as error:  # whoever owns the process ends it
            if not self._stopped.is_set():  # else that is what has cut a release short
                self._on_failure(error)
