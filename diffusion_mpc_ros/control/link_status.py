"""What is known of everything around the robot but its state."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LinkStatus:
    """The state of the link; by default nothing is known, which forbids arming.

    ``robot_controller``: the robot's own controller that commands the motors, "" for none, None for unknown.
    ``foreign_publishers``: programs that publish rt/lowcmd and are neither this controller nor its watchdog.
    ``foreign_lowstate``: who else but the robot has just sent LowStates, "" for nobody.
    ``write_error``: why the last command could not be sent, "" when it was.
    ``artefact_error``, ``clock_error``: why the model artefact or LowState's clock cannot be used, "" when they can.
    ``dry_run``: no motor listens, so that what the motors say of themselves does not matter.
    ``tells_charge``: whether this kind of robot says how full its battery is.
    ``rejected``: why the last LowState that was refused was refused, "" when none has been.
    """

    robot_controller: str | None = None
    foreign_publishers: int = 0
    foreign_lowstate: str = ""
    write_error: str = ""
    watchdog_ready: bool = False
    artefact_error: str = ""
    clock_error: str = ""
    dry_run: bool = False
    tells_charge: bool = True
    rejected: str = ""
