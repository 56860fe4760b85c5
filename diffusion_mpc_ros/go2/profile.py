"""Robot profiles: what a robot, or what stands in for one, does not say, and how often it wants to be told.

A Go2 says everything. Simulators say less; what their profile (``config/robots/<name>.yaml``) declares missing is
filled in or done without, and all the rest stays compulsory. Only a simulator may leave something out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.errors import ConfigurationError, brief
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DAMPING_KD, STANDING_KD, WALKING_KD
from diffusion_mpc_ros.core.resources import config_file, share_directory
from diffusion_mpc_ros.core.settings import Settings, setting

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
class RobotProfile(Settings):
    """A robot as its file in ``config/robots`` declares it; by default nothing is missing."""

    name: str
    simulated: bool = False
    missing: frozenset[str] = frozenset()
    lowstate_rate: float = setting("LowState messages.", 500.0, unit="Hz", low=2 * CONTROL_RATE, high=5000)
    command_rate: int = setting(
        f"LowCmd messages, a multiple of {CONTROL_RATE}.",
        CONTROL_RATE,
        unit="Hz",
        low=CONTROL_RATE,
        high=MAX_COMMAND_RATE,
    )
    kd_max: float = setting(
        "The most damping that a command asks of a joint.", KD_MAX, unit="N m s/rad", low=WALKING_KD, high=KD_MAX
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.missing <= set(SIGNALS):
            raise ConfigurationError(f"missing must list some of {list(SIGNALS)}, got {sorted(self.missing)}")
        if self.missing and not self.simulated:
            raise ConfigurationError(f"only a simulator may leave out {sorted(self.missing)}; give simulated: true")
        if self.command_rate % CONTROL_RATE:
            raise ConfigurationError(f"command_rate must be a multiple of {CONTROL_RATE} Hz, got {self.command_rate}")
        if self.kd_max < KD_MAX and not self.simulated:
            raise ConfigurationError(f"only a simulator may be damped less than {KD_MAX} N m s/rad")

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
    return parse_profile(name, config_files.read(path), str(path))


def parse_profile(name: str, content: Any, source: str) -> RobotProfile:
    """Check ``content``, as read from ``source``, which gives everything; raises ConfigurationError in words."""
    needed = {field.name for field in fields(RobotProfile)} - {"name"}
    if not isinstance(content, Mapping) or set(content) != needed:
        raise ConfigurationError(f"{source} must give exactly {sorted(needed)}, got {brief(content)}")
    return config_files.build(RobotProfile, {"name": name, **content}, source)


def check_place(profile: RobotProfile, loopback: bool, simulator_on_network: bool) -> None:
    """Raise ConfigurationError where a simulator's profile could meet a real robot: on a network card, unasked."""
    if profile.simulated and not loopback and not simulator_on_network:
        raise ConfigurationError(
            f"robot {profile.name!r} is a simulator's profile and leaves out {sorted(profile.missing)}: on a network "
            "card a real robot may answer. If the simulator runs on another computer, say so: simulator_on_network"
        )
