"""The robot itself: its state of health, and who commands its motors. Nothing here writes to rt/lowcmd.

The Unitree SDK is imported where it is used: without it the other checks still run.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import Finding, bad, ok, warning
from diffusion_mpc_ros.control import checks
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.go2 import JOINT_NAMES, JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.go2.remote import decode_remote, remote_present

if TYPE_CHECKING:
    from diffusion_mpc_ros.go2.participants import TopicPublisher

# Above the least that arming takes [%], below the highest motor temperature [degC]: not for long.
BATTERY_MARGIN, TEMPERATURE_MARGIN = 10.0, 10.0
# Colder than any place for a Go2 [degC]: a signed byte that has run over.
TEMPERATURE_MIN = -40.0
# Of each question to the motion switcher [s]; the answer usually takes milliseconds.
SWITCHER_TIMEOUT = 1.0
# Publishers make themselves known within this time [s] of joining.
DISCOVERY_TIME = 0.4


def check_profile(context: Context) -> Finding:
    """Return what the robot is expected to say."""
    profile = context.profile
    if not profile.missing:
        return ok(f"{profile.name}: it has to say all that a Go2 says")
    return ok(f"{profile.name}, a simulator: done without {', '.join(sorted(profile.missing))}")


def check_domain(context: Context) -> Finding:
    """Can the robot's DDS domain be joined."""
    from diffusion_mpc_ros.go2.domain import open_domain

    context.domain = open_domain(context.network_interface, context.domain_id)
    context.at_close(context.domain.close)
    return ok(f"joined domain {context.domain_id} on {context.network_interface}")


def judge_battery(charge: float | None, settings: SafetySettings) -> Finding:
    """``charge`` [%] against what standing up needs; None: the robot does not say."""
    if charge is None:
        return warning("unknown: the robot says nothing, or the impossible", "count the lights on the battery itself")
    if charge < settings.arming_battery_min:
        return bad(f"{charge:.0f} %; standing up needs {settings.arming_battery_min:.0f} %", "charge the battery")
    if charge < settings.arming_battery_min + BATTERY_MARGIN:
        return warning(f"{charge:.0f} %, not for long", "charge the battery soon")
    return ok(f"{charge:.0f} %")


def judge_temperature(temperatures: np.ndarray, settings: SafetySettings) -> Finding:
    """``temperatures (12,)`` [degC]."""
    joint = int(np.argmin(temperatures))
    if temperatures[joint] < TEMPERATURE_MIN:
        return warning(
            f"{JOINT_NAMES[joint]} says {temperatures[joint]:.0f} degC: no frost, a fault, or hotter than 127 degC",
            "feel the motor with care; let it cool down, restart the robot",
        )
    joint = int(np.argmax(temperatures))
    text = f"{JOINT_NAMES[joint]} is the hottest, {temperatures[joint]:.0f} degC"
    limit = settings.motor_temperature_max
    if temperatures[joint] > limit:
        return bad(f"{text}; standing up needs {limit:.0f} or less", "let it cool down, lying")
    if temperatures[joint] > limit - TEMPERATURE_MARGIN:
        return warning(f"{text}, not far from {limit:.0f}", "let it cool down, lying")
    return ok(text)


def judge_joints(state: LowState, settings: SafetySettings) -> Finding:
    """Return what the supervisor would refuse to stand up from."""
    trusted = checks.trust(state, 0.0, math.inf)
    violations = (
        [trusted] if isinstance(trusted, checks.Violation) else list(checks.motion_violations(trusted, settings))
    )
    if violations:
        return bad(
            "; ".join(map(str, violations)),
            "lay the robot on its belly, legs folded and still; if it lies so, its joint calibration is wrong",
        )
    room = np.minimum(state.joint_pos - JOINT_POS_MIN, JOINT_POS_MAX - state.joint_pos)
    joint = int(room.argmin())
    side = "inside" if room[joint] >= 0.0 else f"beyond (up to {settings.joint_position_margin} is allowed)"
    return ok(f"{JOINT_NAMES[joint]} is the nearest to its limit, {abs(room[joint]):.2f} rad {side}")


def judge_remote(data: bytes) -> Finding:
    """Tell of the remote, ``data`` in LowState. For information: the robot walks without one as well."""
    if not remote_present(data):
        return ok("not heard: off, out of reach, or none is paired (it is one of the emergency stops)")
    state = decode_remote(data)
    if state is None:
        return warning(
            f"its {len(data)} bytes cannot be read: its buttons and its emergency stop do not work",
            "switch it off and on; have another emergency stop at hand: the space bar in diffusion-mpc teleop",
        )
    pressed = f"heard, pressed: {', '.join(sorted(state.pressed)) or 'nothing'}"
    if not state.sticks_valid:
        return warning(
            f"{pressed}; a stick is out of range: its buttons stop the robot, its sticks do not steer it",
            "let go of the sticks and switch the remote off and on; until then steer by joy or cmd_vel",
        )
    return ok(pressed)


def check_controller(context: Context) -> Finding:
    """Has the robot's own controller let go of the motors."""
    from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcher

    try:
        with MotionSwitcher(context.domain, SWITCHER_TIMEOUT) as switcher:
            mode = switcher.active_mode()
    except InterfaceError as error:
        return bad(str(error), "restart the robot; a simulator without a motion switcher cannot be armed on")
    return judge_controller(mode, context.network_interface, context.domain_id)


def judge_controller(mode: str, network_interface: str, domain_id: int) -> Finding:
    """``mode``: name of the robot's own controller that commands the motors, ``""`` for none."""
    if mode:
        return bad(
            f"the robot's own controller {mode!r} commands the motors",
            f"diffusion-mpc release --network-interface {network_interface} --domain-id {domain_id}",
        )
    return ok("no controller of the robot's own is active")


def check_publishers(context: Context) -> Finding:
    """Who publishes rt/lowcmd."""
    from diffusion_mpc_ros.go2.channels import LOWCMD
    from diffusion_mpc_ros.go2.participants import topic_publishers

    time.sleep(DISCOVERY_TIME)
    return judge_publishers(topic_publishers(context.domain.participant, LOWCMD.topic), socket.gethostname())


def judge_publishers(publishers: Sequence[TopicPublisher], host: str) -> Finding:
    """All that publish rt/lowcmd; ``host``: name of this machine."""
    from diffusion_mpc_ros.go2.link_options import COMMAND_PUBLISHER, WATCHDOG

    labels = [publisher.label for publisher in publishers]
    own = {label.removesuffix(WATCHDOG) for label in labels if label.startswith(COMMAND_PUBLISHER)}
    foreign = [publisher for publisher in publishers if not publisher.label.startswith(COMMAND_PUBLISHER)]
    if foreign:
        are, them = ("is", "it") if len(foreign) == 1 else ("are", "them")
        here = [publisher.pid for publisher in foreign if publisher.pid and publisher.host == host]
        how = f" (kill {' '.join(here)})" if here else ""
        return bad(
            f"published by {', '.join(map(str, foreign))}, which {are} not this controller",
            f"end {them}{how}: two programs at the motors flip the robot",
        )
    if len(own) > 1:
        return bad(f"{len(own)} command_publishers run at once", "end all but one: pgrep -af command_publisher")
    return ok("one command_publisher of this project runs" if own else "nobody publishes it")
