"""Declaring to ROS the parameters of a node that ``node_parameters`` lists, each with its description and bounds."""

from __future__ import annotations

from array import array
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterException, InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.declared_parameter import Parameter


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
