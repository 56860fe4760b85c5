"""Arming: what must hold before the robot may stand up, each refusal in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diffusion_mpc_ros.control import checks
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core.types import LowState


@dataclass(frozen=True)
class LinkStatus:
    """What is known of everything around the robot but LowState; by default nothing, which forbids arming.

    ``robot_controller``: the robot's own controller that commands the motors, "" for none, None for unknown.
    ``foreign_publishers``: programs that publish rt/lowcmd and are neither this controller nor its watchdog.
    ``artefact_error``, ``clock_error``: why the model artefact or LowState's clock cannot be used, "" when they can.
    ``rejected``: why the last LowState that was refused was refused, "" when none has been.
    """

    robot_controller: str | None = None
    foreign_publishers: int = 0
    watchdog_ready: bool = False
    artefact_error: str = ""
    clock_error: str = ""
    rejected: str = ""


def obstacles(
    lowstate: LowState | None, lowstate_age: float, link: LinkStatus, settings: SafetySettings
) -> list[str]:
    """Everything that forbids standing up now, in words; empty when nothing does. ``lowstate_age`` [s]."""
    return [*_robot_obstacles(lowstate, lowstate_age, link, settings), *_link_obstacles(link)]


def _robot_obstacles(
    lowstate: LowState | None, age: float, link: LinkStatus, settings: SafetySettings
) -> Iterator[str]:
    untrusted = checks.trust_violation(lowstate, age, settings.arming_lowstate_age_max)
    if untrusted is not None:
        yield f"{untrusted}; last refused LowState: {link.rejected}" if link.rejected else str(untrusted)
        return
    yield from map(str, checks.motion_violations(lowstate, settings))
    worn = checks.wear_violation(lowstate, settings.motor_temperature_max, settings.arming_battery_min)
    if worn is not None:
        yield str(worn)


def _link_obstacles(link: LinkStatus) -> Iterator[str]:
    if link.robot_controller is None:
        yield "the robot's motion switcher does not say whether its own controller has let go of the motors"
    elif link.robot_controller:
        yield f"the robot's own controller {link.robot_controller!r} commands the motors: diffusion-mpc release"
    if link.foreign_publishers:
        yield f"{link.foreign_publishers} other program(s) publish rt/lowcmd; stop them first"
    if not link.watchdog_ready:
        yield "the watchdog process is not ready"
    if link.artefact_error:
        yield link.artefact_error
    if link.clock_error:
        yield link.clock_error
