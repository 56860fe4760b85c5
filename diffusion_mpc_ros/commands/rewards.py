"""See and change the reward weights of a running planner; a change acts in the next plan.

examples:
  diffusion-mpc rewards get
  diffusion-mpc rewards set energy=0.2 velocity_tracking=50
  diffusion-mpc rewards set --preset balance --ramp 2
  diffusion-mpc rewards set --preset energy+posture_negative
  diffusion-mpc rewards set posture.target=0.1 --enable joint_range
  diffusion-mpc rewards undo
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.rewards.presets import load_presets


@dataclass(frozen=True)
class GetConfig:
    """Show the weights in force, their bounds, the presets and the constraints."""

    namespace: str = ""
    """ROS namespace of the robot."""


@dataclass(frozen=True)
class SetConfig:
    """Change weights, parameters and constraints: all of it or, when something does not fit, nothing."""

    assignments: tyro.conf.Positional[tuple[str, ...]] = ()
    """TERM=WEIGHT, or TERM.PARAMETER=VALUE[,VALUE...]."""
    preset: str = ""
    """Preset to start from, or several joined by +, which then add up."""
    enable: tuple[str, ...] = ()
    """Constraints to switch on."""
    disable: tuple[str, ...] = ()
    """Constraints to switch off."""
    ramp: Annotated[float, tyro.conf.arg(metavar="SECONDS")] = -1.0
    """Time over which the weights move; negative: the composer's own."""
    namespace: str = ""
    """ROS namespace of the robot."""


@dataclass(frozen=True)
class UndoConfig:
    """Go back to the settings before the last change."""

    namespace: str = ""
    """ROS namespace of the robot."""


@dataclass(frozen=True)
class PresetsConfig:
    """List the presets of config/rewards.yaml."""


def get(config: GetConfig) -> None:
    """Print what is in force and what can be set."""
    from diffusion_mpc_ros.core.message_fields import read_reward_settings
    from diffusion_mpc_ros.nodes.conversions.rewards import read_choices
    from diffusion_mpc_ros.nodes.operator import Operator

    with Operator(config.namespace) as operator:
        answer = operator.get_rewards()
    choices, current = read_choices(answer), read_reward_settings(answer.current)
    table = Table("term", "weight", "bounds", "unit", title=f"reward revision {current.revision}")
    for name, (unit, low, high) in choices.terms.items():
        table.add_row(name, f"{current.weights.get(name, 0.0):g}", f"{low:g} .. {high:g}", unit)
    console = Console()
    console.print(table)
    active = ", ".join(current.constraints) or "none"
    console.print(f"constraints: {active} (of {', '.join(choices.constraints)})")
    console.print(f"presets: {', '.join(choices.presets)}")


def set_weights(config: SetConfig) -> None:
    """Call ``set_reward_weights``."""
    from diffusion_mpc_ros.nodes.operator import Operator
    from diffusion_mpc_ros.nodes.reward_requests import reward_request

    weights, parameters = parse_assignments(config.assignments)
    request = reward_request(
        preset=config.preset,
        weights=weights,
        parameters=parameters,
        enable=config.enable,
        disable=config.disable,
        ramp=config.ramp,
    )
    with Operator(config.namespace) as operator:
        answer = operator.set_rewards(request)
    print(f"revision {answer.revision}: {answer.message}")


def undo(config: UndoConfig) -> None:
    """Call ``set_reward_weights`` with undo."""
    from diffusion_mpc_ros.nodes.operator import Operator
    from diffusion_mpc_ros.nodes.reward_requests import reward_request

    with Operator(config.namespace) as operator:
        answer = operator.set_rewards(reward_request(undo=True))
    print(f"revision {answer.revision}: {answer.message}")


def presets(_: PresetsConfig) -> None:
    """Print the presets; needs no running planner."""
    table = Table("preset", "description", "weights", "constraints")
    for preset in load_presets(config_file("rewards.yaml")).values():
        weights = ", ".join(f"{name}={weight:g}" for name, weight in preset.weights.items())
        table.add_row(preset.name, preset.description, weights, ", ".join(preset.constraints))
    Console().print(table)


def parse_assignments(assignments: Sequence[str]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Weights by term and parameter values by ``term.parameter``; raises RewardError for what is no assignment."""
    weights: dict[str, float] = {}
    parameters: dict[str, list[float]] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError:
            values = []
        if not (name and equals and values) or ("." not in name and len(values) != 1):
            raise RewardError(f"{assignment!r} is no assignment; write energy=0.5 or joint_velocity.max=10")
        if "." in name:
            parameters[name] = values
        else:
            weights[name] = values[0]
    return weights, parameters
