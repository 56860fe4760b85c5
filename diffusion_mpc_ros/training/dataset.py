"""The trajectory dataset: zarr arrays on disk, written in parts so that collection resumes; windows for training.

Arrays, ``E`` episodes of ``L`` ticks: ``observation (E, L, 45)``, ``action (E, L, 12)`` the demonstrator's clean joint
target, ``executed (E, L, 12)`` the joint target really applied, ``fresh (E, L)`` True at the first tick after a reset.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import ACTION_DIM, OBSERVATION_DIM

FIELDS = {"observation": OBSERVATION_DIM, "action": ACTION_DIM, "executed": ACTION_DIM, "fresh": None}


class TrajectoryDataset:
    """A dataset folder; ``attributes`` say how it was made and must agree when it is continued."""

    def __init__(self, path: Path, attributes: dict[str, Any]) -> None:
        self.group = zarr.open_group(str(path), mode="a")
        stored = dict(self.group.attrs)
        if not stored:
            self.group.attrs.update(attributes)
        elif stored != attributes:
            different = sorted(k for k in {*stored, *attributes} if stored.get(k) != attributes.get(k))
            raise ConfigurationError(
                f"{path} was collected with other settings ({', '.join(different)}): choose another folder"
            )

    @classmethod
    def open(cls, path: Path) -> TrajectoryDataset:
        """An existing dataset; raises ConfigurationError when there is none at ``path``."""
        if not (path / "zarr.json").is_file():
            raise ConfigurationError(f"no dataset at {path}: run `diffusion-mpc train collect` first")
        return cls(path, dict(zarr.open_group(str(path), mode="r").attrs))

    @property
    def attributes(self) -> dict[str, Any]:
        """How the dataset was made."""
        return dict(self.group.attrs)

    @property
    def parts(self) -> int:
        """Number of complete parts."""
        return sum(1 for _ in self.group.group_keys())

    def append(self, arrays: dict[str, np.ndarray]) -> None:
        """Write one part; it counts only once it is whole."""
        name = f"{self.parts:04d}"
        root = Path(str(self.group.store.root))
        partial = zarr.open_group(str(root.parent / f".{root.name}.{name}.partial"), mode="w")
        for field in FIELDS:
            value = arrays[field].astype(bool if field == "fresh" else np.float32)
            partial.create_array(field, data=value, chunks=(min(64, len(value)), *value.shape[1:]))
        Path(str(partial.store.root)).rename(root / name)

    def load(self) -> dict[str, np.ndarray]:
        """All parts in memory, ``(E, L, ...)``; raises ConfigurationError when there are none."""
        keys = sorted(self.group.group_keys())
        if not keys:
            raise ConfigurationError(f"{self.group.store.root} holds no trajectories: run `train collect` first")
        return {field: np.concatenate([self.group[key][field][:] for key in keys]) for field in FIELDS}


def window_starts(fresh: np.ndarray, rows: int) -> np.ndarray:
    """Indices ``(W, 2)`` of (episode, first tick) of every window of ``rows`` ticks without a reset inside."""
    episodes, length = fresh.shape
    resets = np.concatenate([np.zeros((episodes, 1), np.intp), np.cumsum(fresh, axis=1)], axis=1)
    starts = np.arange(length - rows + 1)
    # A reset at the first row of a window is harmless, a later one joins two lives.
    inside = resets[:, starts + rows] - resets[:, starts + 1]
    return np.argwhere(inside == 0)
