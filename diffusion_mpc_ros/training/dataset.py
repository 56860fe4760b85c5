"""The trajectory dataset: one ``.npz`` file a part, so that collection resumes; windows for training.

Arrays, ``E`` episodes of ``L`` ticks: ``observation (E, L, 45)``, ``action (E, L, 12)`` the demonstrator's clean joint
target, ``executed (E, L, 12)`` the joint target really applied, ``fresh (E, L)`` True at the first tick after a reset.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError

ARRAYS = ("observation", "action", "executed", "fresh")
ATTRIBUTES_FILE = "dataset.json"


class TrajectoryDataset:
    """A dataset folder; ``attributes`` say how it was made and must agree when it is continued."""

    def __init__(self, path: Path, attributes: dict[str, Any]) -> None:
        self.path, self.attributes = path, attributes
        file = path / ATTRIBUTES_FILE
        path.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(json.dumps(attributes, indent=2) + "\n")
        stored = json.loads(file.read_text())
        different = sorted(key for key in {*stored, *attributes} if stored.get(key) != attributes.get(key))
        if different:
            raise ConfigurationError(
                f"{path} was collected with other settings ({', '.join(different)}): choose another folder"
            )

    @classmethod
    def open(cls, path: Path) -> TrajectoryDataset:
        """An existing dataset; raises ConfigurationError when there is none at ``path``."""
        if not (path / ATTRIBUTES_FILE).is_file():
            raise ConfigurationError(f"no dataset at {path}: run `diffusion-mpc train collect` first")
        return cls(path, json.loads((path / ATTRIBUTES_FILE).read_text()))

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("part_*.npz"))

    @property
    def parts(self) -> int:
        """Number of complete parts."""
        return len(self._files())

    def append(self, arrays: dict[str, np.ndarray]) -> None:
        """Write one part; it counts only once it is whole."""
        partial = self.path / "partial.npz"
        np.savez(partial, **{name: arrays[name].astype(bool if name == "fresh" else np.float32) for name in ARRAYS})
        partial.rename(self.path / f"part_{self.parts:04d}.npz")

    def load(self) -> dict[str, np.ndarray]:
        """All parts in memory, ``(E, L, ...)``; raises ConfigurationError when there are none."""
        parts = [np.load(file, allow_pickle=False) for file in self._files()]
        if not parts:
            raise ConfigurationError(f"{self.path} holds no trajectories: run `diffusion-mpc train collect` first")
        return {name: np.concatenate([part[name] for part in parts]) for name in ARRAYS}


def window_starts(fresh: np.ndarray, rows: int) -> np.ndarray:
    """Indices ``(W, 2)`` of (episode, first tick) of every window of ``rows`` ticks without a reset inside."""
    episodes, length = fresh.shape
    resets = np.concatenate([np.zeros((episodes, 1), np.intp), np.cumsum(fresh, axis=1)], axis=1)
    starts = np.arange(length - rows + 1)
    # A reset at the first row of a window is harmless, a later one joins two lives.
    inside = resets[:, starts + rows] - resets[:, starts + 1]
    return np.argwhere(inside == 0)
