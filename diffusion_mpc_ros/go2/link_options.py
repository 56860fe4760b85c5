"""How command_publisher reaches the motors."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from diffusion_mpc_ros.core.go2 import DAMPING_KD
from diffusion_mpc_ros.go2.profile import GO2, MOTION_SWITCHER, RobotProfile

# Labels of the publishers of rt/lowcmd: this, then what makes the process unique, then whether it is its watchdog.
COMMAND_PUBLISHER, WATCHDOG = "diffusion_mpc_ros command_publisher", " watchdog"


def unique_labels() -> tuple[str, str]:
    """Return labels for the publisher of ``rt/lowcmd`` of this process, and for that of its watchdog."""
    label = f"{COMMAND_PUBLISHER} {uuid.uuid4().hex}"
    return label, f"{label}{WATCHDOG}"


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

    @property
    def damping_kd(self) -> float:
        """Of damping [N m s/rad], no more than this robot bears."""
        return min(DAMPING_KD, self.profile.kd_max)
