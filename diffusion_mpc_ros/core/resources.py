"""Where the shipped files lie (``config/``, ``models/``): in the checkout, or in ``share/`` of an installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from diffusion_mpc_ros.core.errors import ConfigurationError

PACKAGE = "diffusion_mpc_ros"


def share_directory() -> Path:
    """Return the folder that holds ``config/`` and ``models/``.

    Raises ConfigurationError naming every place looked at.
    """
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    candidates = [Path(__file__).resolve().parents[2], *(Path(prefix) / "share" / PACKAGE for prefix in prefixes)]
    for candidate in candidates:
        if (candidate / "config").is_dir():
            return candidate
    raise ConfigurationError(f"no folder with the files of {PACKAGE} (config/, models/): looked at {candidates}")


def config_file(name: str) -> Path:
    """Path of ``config/<name>``; raises ConfigurationError listing what is there."""
    folder = share_directory() / "config"
    if not (folder / name).is_file():
        there = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.yaml"))
        raise ConfigurationError(f"no configuration file {name!r} in {folder}; there are {there}")
    return folder / name


def model_folder(name: str) -> Path:
    """Folder of an artefact: a path to one, or its name in ``models/``; raises ConfigurationError listing the names."""
    if os.sep in name and Path(name).is_dir():
        return Path(name)
    models = share_directory() / "models"
    if name and os.sep not in name and (models / name).is_dir():
        return models / name
    raise ConfigurationError(f"no model artefact {name!r}: neither a folder nor one of {model_names()} in {models}")


def model_names() -> list[str]:
    """Return the names of the artefacts in ``models/``."""
    models = share_directory() / "models"
    return sorted(path.name for path in models.iterdir() if path.is_dir()) if models.is_dir() else []
