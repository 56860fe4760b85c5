"""Tell a running planner what no sensor tells: a change acts in its next plan.

For planners that roll the robot out, hybrid and dial_mpc; others refuse. What is declared is in their diagnostics and
in the facts of every plan. `planner.declared...` of config/planner.yaml declares it from the start.
Exit status: 0 declared, 2 refused, with the reason.

examples:
  diffusion-mpc declare payload 6 0 0 0.1        6 kg, 10 cm above the base's origin
  diffusion-mpc declare motor FL_calf 0.4        it gives 40 % of its torque
  diffusion-mpc declare slope 15 180             the ground falls by 15 degrees in the direction of odometry's x axis
  diffusion-mpc declare friction 0.3
  diffusion-mpc declare file config/declared.yaml
  diffusion-mpc declare show
  diffusion-mpc declare clear
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro

from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.declared_model import NOMINAL, DeclaredModel
from diffusion_mpc_ros.core.errors import ConfigurationError


@dataclass(frozen=True)
class ShowConfig:
    """Show what is declared, and all numbers of it."""

    namespace: str = ""
    """ROS namespace of the robot."""


@dataclass(frozen=True)
class ClearConfig:
    """Declare the robot as it was built, on level ground."""

    namespace: str = ""
    """ROS namespace of the robot."""


@dataclass(frozen=True)
class PayloadConfig:
    """Declare a payload; it takes the place of the last one."""

    mass: tyro.conf.Positional[float]
    """Its mass [kg]; 0: none."""
    position: tyro.conf.Positional[tuple[float, float, float]] = DeclaredModel.payload_position
    """Where it is in the base frame: x, y, z [m]."""
    namespace: str = ""
    """ROS namespace of the robot."""


@dataclass(frozen=True)
class MotorConfig:
    """Declare a weak motor, or a strong one."""

    motor: tyro.conf.Positional[str]
    """Its name, such as FL_calf."""
    strength: tyro.conf.Positional[float]
    """Share of its torque that it gives; 1: all of it."""
    namespace: str = ""
    """ROS namespace of the robot."""


@dataclass(frozen=True)
class FrictionConfig:
    """Declare how the ground holds the feet."""

    friction: tyro.conf.Positional[float]
    """Friction coefficient."""
    namespace: str = ""
    """ROS namespace of the robot."""


@dataclass(frozen=True)
class SlopeConfig:
    """Declare sloping ground."""

    slope: tyro.conf.Positional[float]
    """By how much it rises [deg]; 0: level."""
    direction: tyro.conf.Positional[float] = DeclaredModel.slope_direction
    """Heading towards which it rises [deg], in the frame of odometry; 90 is to the left of its x axis."""
    namespace: str = ""
    """ROS namespace of the robot."""


@dataclass(frozen=True)
class FileConfig:
    """Declare what a file says, and nothing else."""

    file: tyro.conf.Positional[Path]
    """YAML: payload_mass, payload_position, motor_strength, friction, slope, slope_direction."""
    namespace: str = ""
    """ROS namespace of the robot."""


def show(config: ShowConfig) -> None:
    """Ask, and change nothing."""
    for name, value in _ask(config.namespace, {}).items():
        print(f"{name:<16} {value:g}")


def clear(config: ClearConfig) -> None:
    """Take everything back."""
    _ask(config.namespace, {}, clear=True)


def payload(config: PayloadConfig) -> None:
    """Declare mass and place."""
    x, y, z = config.position
    _ask(config.namespace, {"payload_mass": config.mass, "payload_x": x, "payload_y": y, "payload_z": z})


def motor(config: MotorConfig) -> None:
    """Declare a motor's strength."""
    _ask(config.namespace, {config.motor: config.strength})


def friction(config: FrictionConfig) -> None:
    """Declare the friction."""
    _ask(config.namespace, {"friction": config.friction})


def slope(config: SlopeConfig) -> None:
    """Declare the slope."""
    _ask(config.namespace, {"slope": config.slope, "slope_direction": config.direction})


def file(config: FileConfig) -> None:
    """Declare what the file says; what it does not name is as built."""
    _ask(config.namespace, config_files.load(DeclaredModel, config.file).numbers, clear=True)


def _ask(namespace: str, changes: Mapping[str, float], clear: bool = False) -> dict[str, float]:
    """Call ``declare_model``, print its answer and return all numbers; raises ConfigurationError when it refuses."""
    NOMINAL.with_numbers(changes)  # what is out of range needs no planner to be refused
    from diffusion_mpc_msgs.srv import DeclareModel

    from diffusion_mpc_ros.nodes.graph_client import GraphClient

    with GraphClient("declarer", namespace) as client:
        request = DeclareModel.Request(names=list(changes), values=list(changes.values()), clear=clear)
        answer = client.call(DeclareModel, "declare_model", request)
    if not answer.success:
        raise ConfigurationError(answer.message)
    print(answer.message)
    return dict(zip(answer.names, answer.values, strict=True))
