"""Declaring node parameters: each with a description, bounds, and read-only unless it can change while running."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rcl_interfaces.msg import Parameter as ParameterMessage
from rclpy.exceptions import InvalidParameterException, InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.nodes.gamepad_layouts import LAYOUT_NAMES


@dataclass(frozen=True)
class Parameter:
    """One ROS parameter; ``default`` gives the type, ``minimum`` and ``maximum`` (both or none) bound a number."""

    name: str
    default: Any
    description: str
    minimum: float | None = None
    maximum: float | None = None
    read_only: bool = True

    def descriptor(self) -> ParameterDescriptor:
        """The descriptor that ROS tools show and rclpy enforces."""
        descriptor = ParameterDescriptor(name=self.name, description=self.description, read_only=self.read_only)
        if self.minimum is not None and isinstance(self.default, float):
            bounds = FloatingPointRange(from_value=float(self.minimum), to_value=float(self.maximum), step=0.0)
            descriptor.floating_point_range = [bounds]
        elif self.minimum is not None:
            descriptor.integer_range = [IntegerRange(from_value=int(self.minimum), to_value=int(self.maximum), step=1)]
        return descriptor


NETWORK_INTERFACE = Parameter("network_interface", "lo", "Network card of the Unitree topics; lo in simulation.")
DOMAIN_ID = Parameter("domain_id", 1, "DDS domain of the Unitree topics: 0 on the robot, 1 in simulation.", 0, 230)

BASE_FRAME = Parameter("base_frame", "base", "Frame of the robot's base; IMU and feet are given in it.")
FRAME_PREFIX = Parameter(
    "frame_prefix", "auto", "Put before the names of frames; auto: <namespace>/, nothing without a namespace."
)
HORIZON = Parameter("horizon", 11, "Horizon H: rows of a plan [control ticks].", 1, 64)
REPLAN_MARGIN = Parameter("replan_margin", 3, "Replan margin D: first executed row of a plan [control ticks].", 0, 63)

PLANNER_PARAMETERS = (
    Parameter("artefact", "go2", "Model artefact: its name in models/, or a path to its folder."),
    Parameter("replan_interval", 2, "Replan interval R: a new plan every R control ticks; R <= H - D.", 1, 64),
    Parameter("candidates", 10, "Number of candidates N that are sampled and ranked.", 1, 256),
    Parameter("sampler", "ddpm", "Reverse process: ddpm or ddim."),
    Parameter("steps", 10, "Denoising steps.", 1, 100),
    Parameter("cached_steps", 0, "Early denoising steps m that the shifted last plan replaces; 0: none.", 0, 99),
    Parameter("refresh_ticks", 50, "With cached steps: a full run at least this often [control ticks].", 1, 10_000),
    Parameter("guidance_scale", 1.0, "Guidance scale lambda of the reward gradient.", 0.0, 100.0),
    Parameter(
        "survivors",
        0.25,
        "Share of the candidates, the best ones, that goes on in the place of all where they are resampled; 1: never.",
        0.01,
        1.0,
    ),
    Parameter("hold_committed", True, "Hold the actions that are already committed fixed while sampling."),
    Parameter("backend", "auto", "Inference: onnxruntime, openvino, or auto: OpenVINO on an Intel CPU that has it."),
    Parameter("precision", "f32", "Arithmetic of the network: f32, int8 (VNNI), or bf16 (OpenVINO, AVX-512 BF16)."),
    Parameter("threads", 0, "Threads of the inference backend; 0: as many as measurement finds worth a core.", 0, 64),
    Parameter(
        "time_budget_ms",
        -1.0,
        "Time budget of a plan [ms], kept by fewer candidates, then cached steps; -1: 80 % of the shorter of max(D, 1) "
        "and R ticks; 0: none, exactly the configured settings.",
        -1.0,
        2000.0,
    ),
    Parameter("seed", 0, "Seed of the sampling noise.", 0, 2**31 - 1),
    Parameter("max_command", [1.0, 0.5, 1.0], "Bounds of the vx, vy [m/s] and yaw rate [rad/s] that are planned for."),
    Parameter("max_command_rate", [2.0, 2.0, 4.0], "Bounds of their change [m/s^2, m/s^2, rad/s^2]."),
)

OPERATOR_PARAMETERS = (
    Parameter("stick_velocity", [1.0, 0.5, 1.0], "What a stick at its stop asks for: vx, vy [m/s], yaw rate [rad/s]."),
    Parameter("command_deadband", 0.08, "Part of a stick's range around its middle that counts as zero.", 0.0, 0.5),
    Parameter("cmd_vel_timeout", 0.5, "Age [s] from which cmd_vel, joy or the remote counts as silent.", 0.05, 5.0),
    Parameter("gamepad_layout", "auto", f"Layout of the gamepad on joy: {', '.join(LAYOUT_NAMES)}."),
)


def realtime_priority(default: int) -> Parameter:
    """The real-time priority of a node: the nearer to the motors, the higher."""
    text = "SCHED_FIFO priority of what has a deadline, where the system grants it; 0: none."
    return Parameter("realtime_priority", default, text, 0, 98)


def declare(node: Node, *parameters: Parameter) -> dict[str, Any]:
    """Declare ``parameters``; their values by name. Raises ConfigurationError for a value that does not fit."""
    values = {}
    for parameter in parameters:
        try:
            declared = node.declare_parameter(parameter.name, parameter.default, parameter.descriptor())
        except (InvalidParameterTypeException, InvalidParameterValueException, InvalidParameterException) as error:
            bounds = f", {parameter.minimum} .. {parameter.maximum}" if parameter.minimum is not None else ""
            expected = f"{type(parameter.default).__name__}{bounds}"
            raise ConfigurationError(
                f"parameter {parameter.name!r} of {node.get_name()}: {error}; needed is {expected}: "
                f"{parameter.description}"
            ) from error
        values[parameter.name] = declared.value
    return values


def frame_prefix(node: Node, value: str) -> str:
    """What goes before a frame's name so that the frames of two robots do not meet on ``/tf`` (REP 105)."""
    if value != FRAME_PREFIX.default:
        return value
    namespace = node.get_namespace().strip("/")
    return f"{namespace}/" if namespace else ""


def describe_unusable(parameters: Iterable[ParameterMessage]) -> str:
    """Why values that somebody wants to set cannot be used, whatever they are for; "" when they can."""
    types = {kind.value for kind in RosParameter.Type}
    for parameter in parameters:
        value = parameter.value
        if value.type not in types:
            return f"parameter {parameter.name!r} has the type {value.type}, types are {min(types)} .. {max(types)}"
        if not all(math.isfinite(number) for number in (value.double_value, *value.double_array_value)):
            return f"parameter {parameter.name!r} is not finite"
    return ""
