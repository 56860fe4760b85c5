"""What a run of training is made of: kept in its checkpoints, and the same for as long as the run goes on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.comparison import differences
from diffusion_mpc_ros.core.errors import ConfigurationError

# Where a run goes, on what and how it is watched, what is published of it: none of it changes what is learnt.
PLACES = frozenset({
    "run_dir", "output", "adapted", "runs", "models", "threads", "device", "checkpoint_minutes", "save_interval",
    "log_interval", "share",
})  # fmt: skip


def configuration_json(config: Any) -> dict[str, Any]:
    """Return the dataclass ``config`` as JSON gives it back: tuples are lists, paths texts."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def made_of(config: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint says of its run: ``config`` without :data:`PLACES`, and what identifies its ``data``."""
    values = {name: value for name, value in configuration_json(config).items() if name not in PLACES}
    return {"config": values, "data": dict(data)}


def check_goes_on(checkpoint: Path, known: Mapping[str, Any] | None, asked: Mapping[str, Any]) -> None:
    """Raise :class:`ConfigurationError` unless ``checkpoint``, made of ``known``, is one of a run made of ``asked``."""
    if known is None:
        differing = "it does not say of which"
    else:
        differing = ", ".join(differences(known, asked))
    if differing:
        raise ConfigurationError(
            f"{checkpoint} is of another run ({differing}): go on with its configuration and data, name another "
            "folder, or remove it"
        )
