"""Declaring to ROS the parameters of a node that ``node_parameters`` lists, each with its description and bounds."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rcl_interfaces.msg import Parameter as ParameterMessage
from rclpy.exceptions import InvalidParameterException, InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.declared_parameter import Parameter
from diffusion_mpc_ros.node_parameters import FRAME_PREFIX


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Return the descriptor that ROS tools show and rclpy enforces."""
    shown = ParameterDescriptor(
        name=parameter.name,
        description=parameter.description,
        additional_constraints=parameter.expected,
        read_only=parameter.read_only,
    )
    if parameter.minimum is not None and isinstance(parameter.default, float):
        bounds = FloatingPointRange(from_value=float(parameter.minimum), to_value=float(parameter.maximum), step=0.0)
        shown.floating_point_range = [bounds]
    elif parameter.minimum is not None and isinstance(parameter.default, int):
        bounds = IntegerRange(from_value=int(parameter.minimum), to_value=int(parameter.maximum), step=1)
        shown.integer_range = [bounds]
    return shown


def declare(node: Node, *parameters: Parameter) -> dict[str, Any]:
    """Declare ``parameters``; their values by name. Raises ConfigurationError for a value that does not fit."""
    values = {}
    for parameter in parameters:
        try:
            declared = node.declare_parameter(parameter.name, parameter.default, descriptor(parameter))
            value = list(declared.value) if isinstance(declared.value, array) else declared.value
            # What ROS itself does not check: lengths, elements of lists, choices.
            values[parameter.name] = parameter.convert(value)
        except ConfigurationError as error:
            raise ConfigurationError(f"parameter of {node.get_name()}: {error}") from None
        except (InvalidParameterTypeException, InvalidParameterValueException, InvalidParameterException) as error:
            raise ConfigurationError(
                f"parameter {parameter.name!r} of {node.get_name()}: {error}; needed is {parameter.expected}: "
                f"{parameter.description}"
            ) from error
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
