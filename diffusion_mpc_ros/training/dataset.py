"""The trajectory dataset: one ``.npz`` file a part, so that collection resumes; windows for training.

``E`` trajectories of ``L`` ticks. The rows, which the prior learns from: ``observation (E, L, 45)``, ``action (E, L,
12)`` the demonstrator's clean joint target, ``executed (E, L, 12)`` the joint target really applied, ``fresh (E, L)``
True at the first tick, and from a reset until the robot has settled. A dataset may hold more arrays, which say what no
observation does: labels for reward models ``(E, L, ...)`` and facts about each trajectory ``(E, ...)``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.diffusion.artefact import canonical_json, file_sha256

ROWS = ("observation", "action", "executed", "fresh")
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

    @property
    def files(self) -> list[Path]:
        """The complete parts."""
        return sorted(self.path.glob("part_*.npz"))

    @property
    def parts(self) -> int:
        """Number of complete parts."""
        return len(self.files)

    def sha256(self) -> str:
        """SHA-256 of the attributes and of all complete parts in their order, hexadecimal."""
        content = {"attributes": self.attributes, "parts": [file_sha256(file) for file in self.files]}
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()

    def append(self, arrays: dict[str, np.ndarray]) -> None:
        """Write one part, numbers as float32; it counts only once it is whole. Raises KeyError without the rows."""
        ordered = {**{name: arrays[name] for name in ROWS}, **arrays}
        partial = self.path / "partial.npz"
        np.savez(partial, **{n: a.astype(bool if a.dtype == bool else np.float32) for n, a in ordered.items()})
        partial.rename(self.path / f"part_{self.parts:04d}.npz")

    def read_parts(self, names: Sequence[str] = ROWS) -> Iterator[dict[str, np.ndarray]]:
        """The named arrays of one part after the other; raises ConfigurationError when there are none."""
        if not self.files:
            raise ConfigurationError(f"{self.path} holds no trajectories: run `diffusion-mpc train collect` first")
        for file in self.files:
            with np.load(file, allow_pickle=False) as part:
                missing = [name for name in names if name not in part.files]
                if missing:
                    raise ConfigurationError(f"{file} holds no {', '.join(missing)}, only {', '.join(part.files)}")
                yield {name: part[name] for name in names}

    def load(self, names: Sequence[str] = ROWS) -> dict[str, np.ndarray]:
        """The named arrays of all parts in memory, ``(E, ...)``; raises ConfigurationError as :meth:`read_parts`."""
        arrays = {name: [] for name in names}
        for part in self.read_parts(names):
            for name, array in part.items():
                arrays[name].append(array)
        # One after the other is joined and freed: never all of it twice.
        return {name: np.concatenate(arrays.pop(name)) for name in names}


def window_starts(fresh: np.ndarray, rows: int) -> np.ndarray:
    """Indices ``(W, 2)`` of (episode, first tick) of every window of ``rows`` ticks without a reset inside."""
    episodes, length = fresh.shape
    resets = np.concatenate([np.zeros((episodes, 1), np.intp), np.cumsum(fresh, axis=1)], axis=1)
    starts = np.arange(length - rows + 1)
    # A reset at the first row of a window is harmless, a later one joins two lives.
    inside = resets[:, starts + rows] - resets[:, starts + 1]
    return np.argwhere(inside == 0)


def interruptions(command: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Where a new life (``fresh (E, L)``) or another ``command (E, L, 3)`` begins: ``(E, L)`` bool."""
    begins = fresh.copy()
    begins[:, 1:] |= (command[:, 1:] != command[:, :-1]).any(axis=-1)
    return begins


def prefix_sums(values: np.ndarray) -> np.ndarray:
    """``(E, L, C) -> (E, L + 1, C)``: the sums of the first 0, 1, ... L ticks, in double precision."""
    sums = np.cumsum(values, axis=1, dtype=np.float64)
    return np.concatenate([np.zeros_like(sums[:, :1]), sums], axis=1)


def count_falls(fresh: np.ndarray) -> int:
    """How often a robot of ``fresh (E, L)`` was put back on its feet."""
    return int((fresh[:, 1:] & ~fresh[:, :-1]).sum())
