"""Arming: what must hold before the robot may stand up, each refusal in words."""

from __future__ import annotations

from collections.abc import Iterator

from diffusion_mpc_ros.control import checks
from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core.types import LowState


def obstacles(lowstate: LowState | None, lowstate_age: float, link: LinkStatus, settings: SafetySettings) -> list[str]:
    """Return everything that forbids standing up now, in words; empty when nothing does. ``lowstate_age`` [s]."""
    return [*_robot_obstacles(lowstate, lowstate_age, link, settings), *_link_obstacles(link)]


def _robot_obstacles(
    lowstate: LowState | None, age: float, link: LinkStatus, settings: SafetySettings
) -> Iterator[str]:
    # What is too old to go on with is too old to begin with.
    age_max = min(settings.arming_lowstate_age_max, settings.lowstate_age_max)
    trusted = checks.trust(lowstate, age, age_max)
    if isinstance(trusted, checks.Violation):
        yield f"{trusted}; last refused LowState: {link.rejected}" if link.rejected else str(trusted)
        return
    yield from map(str, checks.motion_violations(trusted, settings))
    motor = checks.motor_violation(trusted, link)
    if motor is not None:
        yield str(motor)
    if trusted.battery_soc is None and link.tells_charge:
        yield "the battery's state of charge is not known: LowState carries no battery"
    worn = checks.wear_violation(trusted, settings.motor_temperature_max, settings.arming_battery_min)
    if worn is not None:
        yield str(worn)


def _link_obstacles(link: LinkStatus) -> Iterator[str]:
    if link.robot_controller is None:
        yield "the robot's motion switcher does not say whether its own controller has let go of the motors"
    elif link.robot_controller:
        yield f"the robot's own controller {link.robot_controller!r} commands the motors: diffusion-mpc release"
    if link.foreign_publishers:
        yield f"{link.foreign_publishers} other program(s) publish rt/lowcmd; stop them first"
    if link.foreign_lowstate:
        yield f"a second source of LowState: {link.foreign_lowstate}; stop it first"
    if link.write_error:
        yield f"commands cannot be sent: {link.write_error}"
    if not link.watchdog_ready:
        yield "the watchdog process is not ready"
    if link.artefact_error:
        yield link.artefact_error
    if link.clock_error:
        yield link.clock_error
