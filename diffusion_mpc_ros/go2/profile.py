"""Robot profiles: what a robot, or what stands in for one, does not say, and how often it wants to be told.

A Go2 says everything. Simulators say less; what their profile (``config/robots/<name>.yaml``) declares missing is
filled in or done without, and all the rest stays compulsory. Only a simulator may leave something out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from diffusion_mpc_ros.core.errors import ConfigurationError, brief
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DAMPING_KD, STANDING_KD, WALKING_KD
from diffusion_mpc_ros.core.resources import config_file, share_directory

FOLDER = "robots"
# Signals that a profile may declare missing, and what then takes their place.
CRC, TICK, BATTERY, FOOT_FORCE = "crc", "tick", "battery", "foot_force"
MOTOR_MODE, MOTION_SWITCHER, SENSOR_NOISE = "motor_mode", "motion_switcher", "sensor_noise"
SIGNALS = {
    CRC: "a checksum of zero is not compared; another one is",
    TICK: "a tick of zero is replaced by the time of receipt",
    BATTERY: "the state of charge is unknown, and standing up does not ask for it",
    FOOT_FORCE: "contact is told from joint torques and kinematics",
    MOTOR_MODE: "motors whose mode is zero, all of them, count as followers of commands",
    SENSOR_NOISE: "a LowState that repeats the last one counts as measured anew",
    MOTION_SWITCHER: "no controller of the robot's own is asked to let go",
}
# Control ticks a second, and the most LowCmds a second: Unitree's own examples send so many.
CONTROL_RATE, MAX_COMMAND_RATE = round(1.0 / CONTROL_DT), 500
# The most damping that any motion of this controller asks for.
KD_MAX = max(WALKING_KD, STANDING_KD, DAMPING_KD)


@dataclass(frozen=True)
class RobotProfile:
    """A robot as its file in ``config/robots`` declares it; by default nothing is missing.

    ``lowstate_rate`` and ``command_rate`` [Hz] are those of ``rt/lowstate`` and ``rt/lowcmd``; ``kd_max`` [N m s/rad]:
    the most damping that a command asks of a joint.
    """

    name: str
    simulated: bool = False
    missing: frozenset[str] = frozenset()
    lowstate_rate: float = 500.0
    command_rate: int = CONTROL_RATE
    kd_max: float = KD_MAX

    @property
    def commands_per_tick(self) -> int:
        """LowCmds a control tick, repeated ones included."""
        return self.command_rate // CONTROL_RATE


# What a robot is taken for where nothing else is said.
GO2 = RobotProfile("go2")


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that are shipped, the Go2 first."""
    names = {path.stem for path in (share_directory() / "config" / FOLDER).glob("*.yaml")}
    return (GO2.name, *sorted(names - {GO2.name}))


def load_profile(name: str) -> RobotProfile:
    """Read the profile ``name``; raises ConfigurationError for an unknown one, or a file that does not fit."""
    if name not in profile_names():
        raise ConfigurationError(f"no robot profile {name!r}; there are {list(profile_names())}")
    path = config_file(str(Path(FOLDER) / f"{name}.yaml"))
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, OverflowError, RecursionError, yaml.YAMLError) as error:
        raise ConfigurationError(f"the robot profile {path} cannot be read: {error}") from error
    return parse_profile(name, content, str(path))


def parse_profile(name: str, content: Any, source: str) -> RobotProfile:
    """Check ``content``, as parsed from ``source``; raises ConfigurationError in words."""
    needed = {"simulated", "missing", "lowstate_rate", "command_rate", "kd_max"}
    if not isinstance(content, Mapping) or set(content) != needed:
        raise ConfigurationError(f"{source} must give exactly {sorted(needed)}, got {brief(content)}")
    simulated, missing = content["simulated"], content["missing"]
    if not isinstance(simulated, bool):
        raise ConfigurationError(f"{source}: simulated must be true or false, got {brief(simulated)}")
    if not isinstance(missing, list) or not all(isinstance(signal, str) and signal in SIGNALS for signal in missing):
        raise ConfigurationError(f"{source}: missing must list some of {list(SIGNALS)}, got {brief(missing)}")
    if missing and not simulated:
        raise ConfigurationError(f"{source}: only a simulator may leave out {missing}; give simulated: true")
    lowstate_rate, command_rate = content["lowstate_rate"], content["command_rate"]
    if not _is_number(lowstate_rate) or not 2 * CONTROL_RATE <= lowstate_rate <= 5000:
        raise ConfigurationError(
            f"{source}: lowstate_rate must be {2 * CONTROL_RATE} .. 5000 Hz, got {brief(lowstate_rate)}"
        )
    whole = isinstance(command_rate, int) and not isinstance(command_rate, bool)
    if not whole or command_rate % CONTROL_RATE or not CONTROL_RATE <= command_rate <= MAX_COMMAND_RATE:
        raise ConfigurationError(
            f"{source}: command_rate must be a multiple of {CONTROL_RATE} Hz up to {MAX_COMMAND_RATE}, "
            f"got {brief(command_rate)}"
        )
    kd_max = content["kd_max"]
    if not _is_number(kd_max) or not WALKING_KD <= kd_max <= KD_MAX:
        raise ConfigurationError(f"{source}: kd_max must be {WALKING_KD} .. {KD_MAX} N m s/rad, got {brief(kd_max)}")
    if kd_max < KD_MAX and not simulated:
        raise ConfigurationError(f"{source}: only a simulator may be damped less than {KD_MAX} N m s/rad")
    return RobotProfile(name, simulated, frozenset(missing), float(lowstate_rate), command_rate, float(kd_max))


def check_place(profile: RobotProfile, loopback: bool, simulator_on_network: bool) -> None:
    """Raise ConfigurationError where a simulator's profile could meet a real robot: on a network card, unasked."""
    if profile.simulated and not loopback and not simulator_on_network:
        raise ConfigurationError(
            f"robot {profile.name!r} is a simulator's profile and leaves out {sorted(profile.missing)}: on a network "
            "card a real robot may answer. If the simulator runs on another computer, say so: simulator_on_network"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
