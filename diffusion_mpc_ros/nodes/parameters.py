"""Declaring node parameters: each with a description, bounds, and read-only unless it can change while running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterException, InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from diffusion_mpc_ros.core.errors import ConfigurationError


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


def declare(node: Node, *parameters: Parameter) -> dict[str, Any]:
    """Declare ``parameters`` and return their values by name; raises ConfigurationError for a value that does not fit."""
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
