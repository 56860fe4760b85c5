"""Configuration dataclasses from YAML files, strictly."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import dacite
import yaml

from diffusion_mpc_ros.core.errors import ConfigurationError

Config = TypeVar("Config")


def load_config(config_class: type[Config], path: Path) -> Config:
    """An instance of ``config_class`` with the values of the YAML file ``path``; what is not named has its default.

    Raises :class:`ConfigurationError` naming the file and the key for unknown keys, wrong types and unreadable files.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"configuration file {path} is not readable: {error}") from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"configuration file {path} must map names to values, it holds {values!r}")
    try:
        return dacite.from_dict(config_class, values, dacite.Config(cast=[Path, tuple, float], strict=True))
    except (dacite.DaciteError, TypeError, ValueError) as error:
        raise ConfigurationError(f"configuration file {path}: {error}") from None
