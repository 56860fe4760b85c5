"""Declaring settings to ROS as parameters, each with its description and bounds."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from typing import TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rcl_interfaces.msg import Parameter as ParameterMessage
from rclpy.exceptions import InvalidParameterException, InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter
from rclpy.parameter import parameter_value_to_python

from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import Declaration, Settings, declarations, written
from diffusion_mpc_ros.nodes.robot_settings import FRAME_PREFIX

Kind = TypeVar("Kind", bound=Settings)


def descriptor(declaration: Declaration) -> ParameterDescriptor:
    """Return the descriptor that ROS tools show and rclpy enforces.

    A parameter of ROS has one type; one that may be the word auto instead of a number is typed dynamically.
    """
    entry = declaration.setting
    shown = ParameterDescriptor(
        name=declaration.name,
        description=entry.description,
        additional_constraints=declaration.expected,
        read_only=not entry.live,
        dynamic_typing=declaration.optional,
    )
    if entry.bounds and declaration.base is float:
        low, high = map(float, entry.bounds)
        shown.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif entry.bounds and declaration.base is int:
        first, last = map(int, entry.bounds)
        shown.integer_range = [IntegerRange(from_value=first, to_value=last, step=1)]
    return shown


def declare(node: Node, kind: type[Kind]) -> Kind:
    """Declare the parameters ``kind``; their values. Raises ConfigurationError for a value that does not fit."""
    values = {}
    for name, declaration in declarations(kind).items():
        try:
            value = node.declare_parameter(name, written(declaration.default), descriptor(declaration)).value
        except (InvalidParameterTypeException, InvalidParameterValueException, InvalidParameterException) as error:
            raise ConfigurationError(
                f"parameter {name!r} of {node.get_name()}: {error}; needed is {declaration.expected}: "
                f"{declaration.setting.description}"
            ) from error
        values[name] = list(value) if isinstance(value, array) else value
    # What ROS itself does not check: lengths, elements of lists, choices, words for numbers.
    return config_files.build(kind, config_files.nested(values), f"parameter of {node.get_name()}")


def frame_prefix(node: Node, value: str) -> str:
    """Return what goes before a frame's name so that the frames of two robots do not meet on ``/tf`` (REP 105)."""
    if value != FRAME_PREFIX:
        return value
    namespace = node.get_namespace().strip("/")
    return f"{namespace}/" if namespace else ""


def describe_unusable(parameters: Iterable[ParameterMessage], declared: Mapping[str, Declaration]) -> str:
    """Return why values that somebody wants to set cannot be used; "" when they can, or rclpy says why itself."""
    types = {kind.value for kind in RosParameter.Type}
    for parameter in parameters:
        value = parameter.value
        if value.type not in types:
            return f"parameter {parameter.name!r} has the type {value.type}, types are {min(types)} .. {max(types)}"
        if not all(math.isfinite(number) for number in (value.double_value, *value.double_array_value)):
            return f"parameter {parameter.name!r} is not finite"
        declaration = declared.get(parameter.name)
        if declaration is not None and declaration.setting.live:
            try:
                config_files.convert(declaration, parameter_value_to_python(value))
            except ConfigurationError as error:
                return str(error)
    return ""
