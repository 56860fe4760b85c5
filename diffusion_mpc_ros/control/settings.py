"""The thresholds of the safety supervisor, read from ``config/safety.yaml``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from diffusion_mpc_ros.core.errors import ConfigurationError, brief


@dataclass(frozen=True)
class SafetySettings:
    """One number per threshold; units and bounds in ``BOUNDS``, reasons in the file."""

    lowstate_age_max: float
    plan_timeout: float
    tilt_max: float
    joint_position_margin: float
    joint_velocity_factor: float
    violation_ticks: float
    loop_stall_max: float
    watchdog_timeout: float
    plan_position_margin: float
    torque_factor: float
    joint_target_rate_max: float
    motor_temperature_max: float
    battery_min: float
    wear_time: float
    blocked_torque: float
    blocked_speed: float
    blocked_time: float
    unheld_time: float
    arming_lowstate_age_max: float
    arming_battery_min: float
    fold_time: float
    stand_up_time: float
    sit_down_time: float
    settle_time: float
    entry_time: float
    kp_rate: float
    kd_rate: float


# name: (unit, lowest, highest) that the loader accepts.
BOUNDS: dict[str, tuple[str, float, float]] = {
    "lowstate_age_max": ("s", 0.01, 0.5),
    "plan_timeout": ("s", 0.06, 5.0),
    "tilt_max": ("rad", 0.2, 1.4),
    "joint_position_margin": ("rad", 0.0, 0.5),
    "joint_velocity_factor": ("-", 0.5, 2.0),
    "violation_ticks": ("ticks", 1, 10),
    "loop_stall_max": ("s", 0.04, 0.5),
    "watchdog_timeout": ("s", 0.04, 0.5),
    "plan_position_margin": ("rad", 0.0, 2.0),
    "torque_factor": ("-", 0.2, 1.0),
    "joint_target_rate_max": ("rad/s", 1.0, 100.0),
    "motor_temperature_max": ("degC", 40.0, 110.0),
    "battery_min": ("%", 0.0, 90.0),
    "wear_time": ("s", 0.1, 30.0),
    "blocked_torque": ("-", 0.3, 1.0),
    "blocked_speed": ("rad/s", 0.1, 10.0),
    "blocked_time": ("s", 0.2, 5.0),
    "unheld_time": ("s", 0.1, 10.0),
    "arming_lowstate_age_max": ("s", 0.01, 0.5),
    "arming_battery_min": ("%", 0.0, 95.0),
    "fold_time": ("s", 0.3, 5.0),
    "stand_up_time": ("s", 0.5, 5.0),
    "sit_down_time": ("s", 0.5, 5.0),
    "settle_time": ("s", 0.1, 2.0),
    "entry_time": ("s", 0.02, 1.0),
    "kp_rate": ("N m/rad/s", 20.0, 2000.0),
    "kd_rate": ("N m s/rad/s", 2.0, 200.0),
}


def load_safety_settings(path: Path) -> SafetySettings:
    """Read ``path``: for each threshold a mapping of ``value``, ``unit``, ``reason``.

    Raises :class:`ConfigurationError` for an unreadable file, an unknown or missing threshold, another unit, a value
    that is no finite number or out of bounds, or an empty reason.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, ValueError, OverflowError, RecursionError, yaml.YAMLError) as error:
        raise ConfigurationError(f"the safety settings {path} cannot be read: {error}") from error
    return parse_safety_settings(content, str(path))


def parse_safety_settings(content: Any, source: str) -> SafetySettings:
    """Check ``content``, as parsed from ``source``; see :func:`load_safety_settings`."""
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{source} must map threshold names to value, unit and reason, got {brief(content)}")
    names = [field.name for field in fields(SafetySettings)]
    unknown, missing = sorted(set(content) - set(names), key=str), sorted(set(names) - set(content))
    if unknown or missing:
        raise ConfigurationError(f"{source}: unknown thresholds {unknown}, missing {missing}; needed are {names}")
    return SafetySettings(**{name: _value(content[name], name, source) for name in names})


def _value(entry: Any, name: str, source: str) -> float:
    unit, low, high = BOUNDS[name]
    if not isinstance(entry, Mapping) or set(entry) != {"value", "unit", "reason"}:
        raise ConfigurationError(f"{source}: {name} needs exactly value, unit and reason, got {brief(entry)}")
    value = entry["value"]
    if entry["unit"] != unit:
        raise ConfigurationError(f"{source}: {name} is in {unit!r}, not in {brief(entry['unit'])}")
    if not isinstance(entry["reason"], str) or not entry["reason"].strip():
        raise ConfigurationError(f"{source}: {name} needs a reason in words, got {brief(entry['reason'])}")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < math.inf:
        raise ConfigurationError(f"{source}: {name} must be a finite number in {unit}, got {brief(value)}")
    if not low <= value <= high:
        raise ConfigurationError(f"{source}: {name} = {brief(value)} {unit} is out of bounds {low} .. {high}")
    return float(value)
