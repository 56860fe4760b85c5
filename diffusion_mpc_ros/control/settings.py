"""The thresholds of the safety supervisor, read from ``config/safety.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.errors import ConfigurationError, brief
from diffusion_mpc_ros.core.settings import Settings, declarations, setting


def _threshold(unit: str, low: float, high: float) -> Any:
    """Return what it is for stands in the file."""
    return setting("config/safety.yaml says why.", unit=unit, low=low, high=high)


@dataclass(frozen=True)
class SafetySettings(Settings):
    """One number per threshold with its unit and bounds; reasons in the file."""

    lowstate_age_max: float = _threshold("s", 0.01, 0.5)
    plan_timeout: float = _threshold("s", 0.06, 5.0)
    tilt_max: float = _threshold("rad", 0.2, 1.4)
    joint_position_margin: float = _threshold("rad", 0.0, 0.5)
    joint_velocity_factor: float = _threshold("-", 0.5, 2.0)
    violation_ticks: float = _threshold("ticks", 1, 10)
    loop_stall_max: float = _threshold("s", 0.04, 0.5)
    watchdog_timeout: float = _threshold("s", 0.04, 0.5)
    plan_position_margin: float = _threshold("rad", 0.0, 2.0)
    torque_factor: float = _threshold("-", 0.2, 1.0)
    joint_target_rate_max: float = _threshold("rad/s", 1.0, 100.0)
    feed_forward_velocity_rate_max: float = _threshold("rad/s^2", 0.0, 2000.0)
    feed_forward_torque_rate_max: float = _threshold("N m/s", 0.0, 2000.0)
    motor_temperature_max: float = _threshold("degC", 40.0, 110.0)
    battery_min: float = _threshold("%", 0.0, 90.0)
    wear_time: float = _threshold("s", 0.1, 30.0)
    blocked_torque: float = _threshold("-", 0.3, 1.0)
    blocked_speed: float = _threshold("rad/s", 0.1, 10.0)
    blocked_time: float = _threshold("s", 0.2, 5.0)
    unheld_time: float = _threshold("s", 0.1, 10.0)
    arming_lowstate_age_max: float = _threshold("s", 0.01, 0.5)
    arming_battery_min: float = _threshold("%", 0.0, 95.0)
    fold_time: float = _threshold("s", 0.3, 5.0)
    stand_up_time: float = _threshold("s", 0.5, 5.0)
    sit_down_time: float = _threshold("s", 0.5, 5.0)
    settle_time: float = _threshold("s", 0.1, 2.0)
    entry_time: float = _threshold("s", 0.02, 1.0)
    kp_rate: float = _threshold("N m/rad/s", 20.0, 2000.0)
    kd_rate: float = _threshold("N m s/rad/s", 2.0, 200.0)


@dataclass(frozen=True)
class _Entry:
    """A threshold in the file; ``value`` is read as SafetySettings says."""

    value: Any
    unit: str
    reason: str


def load_safety_settings(path: Path) -> SafetySettings:
    """Read ``path``: for each threshold a mapping of ``value``, ``unit``, ``reason``.

    Raises :class:`ConfigurationError` for an unreadable file, an unknown or missing threshold, another unit, a value
    that is no finite number or out of bounds, or an empty reason.
    """
    return parse_safety_settings(config_files.read(path), str(path))


def parse_safety_settings(content: Any, source: str) -> SafetySettings:
    """Check ``content``, as read from ``source``; see :func:`load_safety_settings`."""
    config_files.check_shape(SafetySettings, content, source)
    missing = sorted({field.name for field in fields(SafetySettings)} - set(content))
    if missing:
        raise ConfigurationError(f"{source}: thresholds are missing: {', '.join(missing)}")
    values = {name: _value(name, entry, source) for name, entry in content.items()}
    return config_files.build(SafetySettings, values, source)


def _value(name: str, content: Any, source: str) -> Any:
    if not isinstance(content, Mapping) or set(content) != {"value", "unit", "reason"}:
        raise ConfigurationError(f"{source}: {name} needs exactly value, unit and reason, got {brief(content)}")
    entry = config_files.build(_Entry, content, f"{source}: {name}")
    unit = declarations(SafetySettings)[name].setting.unit
    if entry.unit != unit:
        raise ConfigurationError(f"{source}: {name} is in {unit!r}, not in {brief(entry.unit)}")
    if not entry.reason.strip():
        raise ConfigurationError(f"{source}: {name} needs a reason in words, got {brief(entry.reason)}")
    return entry.value
