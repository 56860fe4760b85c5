"""Who else commands the motors: the robot's own controller, and programs that publish ``rt/lowcmd``."""

from __future__ import annotations

import time
from collections.abc import Callable

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.go2.channels import LOWCMD, PublisherWatch
from diffusion_mpc_ros.go2.domain import Go2Domain
from diffusion_mpc_ros.go2.link_options import LinkOptions
from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcher

# How long one answer of the motion switcher may take [s].
SWITCHER_TIMEOUT = 0.5


class OtherControllers:
    """What the motion switcher says, as of the last :meth:`check`, and DDS; only :meth:`check` and the end wait.

    ``own_labels``: of the publishers of ``rt/lowcmd`` that are one's own. ``active``: name of the robot's controller
    that commands the motors, "" for none, None for not known. ``waiting_for``: what must happen before the motors are
    free for the first time, "" once they were. ``wait(seconds)`` waits during a release: whether to give up.
    """

    def __init__(
        self,
        domain: Go2Domain,
        options: LinkOptions,
        own_labels: tuple[str, ...],
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._options, self._own_labels, self._wait = options, own_labels, wait
        self._switcher = MotionSwitcher(domain, SWITCHER_TIMEOUT)
        self._lowcmds = PublisherWatch(domain, LOWCMD)
        self._released = ""
        self.active: str | None = None if options.asks_switcher else ""
        self.waiting_for = "the robot's motion switcher" if options.asks_switcher else ""

    def foreign_publishers(self) -> int:
        """Return how many others publish ``rt/lowcmd``, 0 in a dry run; cheap enough for every control tick."""
        if self._options.dry_run:
            return 0
        return sum(label not in self._own_labels for label in self._lowcmds.labels())

    def check(self) -> None:
        """Ask who commands the motors; raises InterfaceError where a release does not succeed, or is given up."""
        if not self._options.asks_switcher:
            return
        try:
            name = self._switcher.active_mode()
        except InterfaceError as error:
            self.active = None
            self.waiting_for = self.waiting_for and str(error)
            return
        if name and self.waiting_for and self._options.release:
            self.waiting_for = f"the robot's own controller {name!r} to let go"
            self._released, name = self._switcher.release(wait=self._wait), ""
        self.active = name
        if not name:
            self.waiting_for = ""
        elif self.waiting_for:
            self.waiting_for = (
                f"the robot's own controller {name!r} to let go of the motors; lay the robot down, then: "
                f"diffusion-mpc release --network-interface {self._options.network_interface}"
            )

    def restore(self) -> None:
        """Give the motors back, where that was asked for, to the controller that let go; raises InterfaceError."""
        if self._options.restore and self._released:
            self._switcher.select(self._released)

    def close(self) -> None:
        """Leave the robot's topics."""
        self._lowcmds.close()
        self._switcher.close()
