"""The trajectory dataset: one ``.npz`` file a part, so that collection resumes; windows for training.

``E`` trajectories of ``L`` ticks. The rows, which the prior learns from: ``observation (E, L, 45)``, ``action (E, L,
12)`` the demonstrator's clean joint target, ``executed (E, L, 12)`` the joint target really applied, ``fresh (E, L)``
True at the first tick, and from a reset until the robot has settled. A dataset may hold more arrays, which say what no
observation does: labels for reward models ``(E, L, ...)`` and facts about each trajectory ``(E, ...)``.

A fact that training itself reads is ``weight (E,)``, how much a trajectory counts; 1 where there is none.

Trajectories of unequal length (``format`` 2 in the attributes) lie one behind the other in a part, their arrays ``(sum
of L, ...)``, with ``length (E,)`` beside them. In memory such an array is a list of E arrays ``(L, ...)``, used as one
``(E, L, ...)`` is: trajectory by trajectory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import canonical_json, file_sha256

ROWS = ("observation", "action", "executed", "fresh")
ATTRIBUTES_FILE = "dataset.json"
# In the attributes; a dataset that does not say has trajectories of equal length.
FORMAT, EQUAL_LENGTHS, OWN_LENGTHS = "format", 1, 2
LENGTH, WEIGHT = "length", "weight"
# An array of E trajectories, of equal length or each of its own.
Trajectories = np.ndarray | list[np.ndarray]


class TrajectoryDataset:
    """A dataset folder; ``attributes`` say how it was made and must agree when it is continued."""

    def __init__(self, path: Path, attributes: dict[str, Any]) -> None:
        self.path, self.attributes = path, attributes
        file = path / ATTRIBUTES_FILE
        path.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(json.dumps(attributes, indent=2) + "\n")
        stored = json.loads(file.read_text())
        self.format = stored.get(FORMAT, EQUAL_LENGTHS)
        if self.format not in (EQUAL_LENGTHS, OWN_LENGTHS):
            raise ConfigurationError(
                f"{path} has format {self.format!r}, this version reads {EQUAL_LENGTHS} and {OWN_LENGTHS}: take the "
                "version that wrote it, or collect it again"
            )
        different = sorted(key for key in {*stored, *attributes} if stored.get(key) != attributes.get(key))
        if different:
            raise ConfigurationError(
                f"{path} was collected with other settings ({', '.join(different)}): choose another folder"
            )

    @classmethod
    def open(cls, path: Path) -> TrajectoryDataset:
        """Return an existing dataset; raises ConfigurationError when there is none at ``path``."""
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

    def append_trajectories(self, trajectories: Sequence[Mapping[str, np.ndarray]], weights: Sequence[float]) -> None:
        """Write one part of trajectories of any length, each with its arrays ``(L, ...)`` and its weight.

        For a dataset of format 2; raises :class:`ConfigurationError` for another one, for arrays of a trajectory that
        differ in length or a trajectory without ticks, and for weights that are not finite and above 0.
        """
        if self.format != OWN_LENGTHS:
            raise ConfigurationError(
                f"{self.path} holds trajectories of equal length: those of unequal length need a dataset of format "
                f"{OWN_LENGTHS}, in another folder"
            )
        lengths = [{len(array) for array in trajectory.values()} for trajectory in trajectories]
        if not trajectories or any(len(length) != 1 or 0 in length for length in lengths):
            raise ConfigurationError(
                f"the arrays of a trajectory have one length of at least 1, these have {lengths or 'no trajectory'}"
            )
        if len(weights) != len(trajectories) or not all(0.0 < weight < np.inf for weight in weights):
            raise ConfigurationError(
                f"{len(trajectories)} trajectories need as many weights, finite and above 0; got {list(weights)}"
            )
        arrays = {name: np.concatenate([each[name] for each in trajectories]) for name in trajectories[0]}
        facts = {LENGTH: np.array([length.pop() for length in lengths]), WEIGHT: np.array(weights)}
        self.append({**arrays, **facts})

    def read_parts(self, names: Sequence[str] = ROWS) -> Iterator[dict[str, Trajectories]]:
        """Yield the named arrays of one part after the other; raises ConfigurationError when there are none."""
        if not self.files:
            raise ConfigurationError(f"{self.path} holds no trajectories: run `diffusion-mpc train collect` first")
        for file in self.files:
            with np.load(file, allow_pickle=False) as part:
                missing = [name for name in names if name not in part.files]
                if missing:
                    raise ConfigurationError(f"{file} holds no {', '.join(missing)}, only {', '.join(part.files)}")
                ends = np.cumsum(part[LENGTH]).astype(np.intp)[:-1] if self.format == OWN_LENGTHS else None
                yield {name: part[name] if ends is None else np.split(part[name], ends) for name in names}

    def load(self, names: Sequence[str] = ROWS) -> dict[str, Trajectories]:
        """Return the named arrays of all parts, ``(E, ...)``; raises ConfigurationError as :meth:`read_parts`."""
        arrays = {name: [] for name in names}
        for part in self.read_parts(names):
            for name, array in part.items():
                arrays[name].append(array)
        # One after the other is joined and freed: never all of it twice.
        return {name: joined(arrays.pop(name)) for name in names}

    def weights(self) -> np.ndarray:
        """How much each trajectory counts in training ``(E,)``."""
        weights = []
        for file in self.files:
            with np.load(file, allow_pickle=False) as part:
                count = len(part[LENGTH] if self.format == OWN_LENGTHS else part["fresh"])
                weights.append(part[WEIGHT] if WEIGHT in part.files else np.ones(count))
        return np.concatenate(weights)


def joined(arrays: Sequence[Trajectories]) -> Trajectories:
    """Return the trajectories of all of ``arrays``: one array where all have the same length, else a list."""
    if all(isinstance(array, np.ndarray) for array in arrays) and len({array.shape[1:] for array in arrays}) <= 1:
        return np.concatenate(arrays)
    return [trajectory for array in arrays for trajectory in array]


def check_equal_lengths(arrays: Mapping[str, Trajectories], what: str) -> None:
    """Raise :class:`ConfigurationError` for trajectories of unequal length, with which ``what`` cannot be done."""
    if any(isinstance(array, list) for array in arrays.values()):
        raise ConfigurationError(f"the trajectories differ in length: {what} needs those of `train collect`")


def window_starts(fresh: Trajectories, rows: int) -> np.ndarray:
    """Return indices ``(W, 2)`` of (episode, first tick) of every window of ``rows`` ticks without a reset inside."""
    windows = []
    for episode, of_episode in enumerate(fresh):
        resets = np.concatenate([np.zeros(1, np.intp), np.cumsum(of_episode)])
        starts = np.arange(len(of_episode) - rows + 1)
        # A reset at the first row of a window is harmless, a later one joins two lives.
        (ticks,) = np.nonzero(resets[starts + rows] == resets[starts + 1])
        windows.append(np.column_stack([np.full(len(ticks), episode), ticks]))
    return np.concatenate(windows)


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
