"""Windows of transitions for training: where a robot was, what it was told, where that led it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.trajectory import COMMAND as OBSERVED_COMMAND
from diffusion_mpc_ros.core.trajectory import PREVIOUS_ACTION
from diffusion_mpc_ros.core.transition import (
    ACTION,
    BASE_HEIGHT,
    BASE_LIN_VEL,
    COMMAND,
    STATE,
    STATE_DIM,
    TRANSITION_DIM,
    state_of,
)
from diffusion_mpc_ros.diffusion.normalizer import TransitionNormalizer
from diffusion_mpc_ros.training.dataset import WEIGHT, Trajectories, window_starts
from diffusion_mpc_ros.training.pretrain import (
    WeightedWindows,
    begins_to_walk,
    join,
    load_rows,
    open_datasets,
)

# Arrays of a dataset that a state needs beside the observation.
STATE_LABELS = ("base_lin_vel", "base_height")
Arrays = dict[str, Trajectories]


class Window(NamedTuple):
    """Normalised windows of F ticks, a tensor each; B of them."""

    state: torch.Tensor  # (B, 34), before the first action
    previous: torch.Tensor  # (B, 12), the action before that
    command: torch.Tensor  # (B, 3), at the first tick
    clean: torch.Tensor  # (B, F, 12), what the demonstrator said
    executed: torch.Tensor  # (B, F, 12), what was done
    states: torch.Tensor  # (B, F, 34), after each action


def load_arrays(datasets: Sequence[Path], relabel: bool, names: Sequence[str] = ()) -> Arrays:
    """The rows of all datasets with the arrays ``names`` and those that a state needs; see :func:`load_rows`."""
    names = tuple(dict.fromkeys((*STATE_LABELS, *names)))
    return join([load_rows(dataset, relabel, names) for dataset in open_datasets(datasets)])


def split(arrays: Arrays, held_out: float, seed: int) -> tuple[Arrays, Arrays]:
    """Trajectories to learn from, and the share ``held_out`` of them for the scores.

    Raises :class:`ConfigurationError` where one of the two would be empty.
    """
    count = len(arrays["fresh"])
    first = round(count * (1.0 - held_out))
    if not 0 < first < count:
        raise ConfigurationError(f"{count} trajectories are too few to hold out a share of {held_out:g}")
    chosen = np.split(np.random.default_rng(seed).permutation(count), [first])
    taken = [{name: _take(values, part) for name, values in arrays.items()} for part in chosen]
    return taken[0], taken[1]


def stretches(arrays: Arrays, ticks: int, most: int | None = None) -> Arrays:
    """Return the trajectories in pieces of up to ``ticks`` ticks, of their first ``most`` ticks (None: of all).

    One long walk can then be learnt from in one part and judged by in another, see :func:`split`.
    """
    pieces = [
        (each, slice(start, min(start + ticks, len(fresh))))
        for each, fresh in enumerate(arrays["fresh"])
        for start in range(0, len(fresh), ticks)
    ]
    if most is not None:
        before = np.cumsum([0, *(piece.stop - piece.start for _, piece in pieces)])[:-1]
        pieces = [
            (each, slice(piece.start, min(piece.stop, piece.start + most - int(first))))
            for (each, piece), first in zip(pieces, before)
            if first < most
        ]
    cut = {name: [values[each][piece] for each, piece in pieces] for name, values in arrays.items() if name != WEIGHT}
    return {**cut, WEIGHT: np.array([arrays[WEIGHT][each] for each, _ in pieces])}


def _take(values: Trajectories, indices: np.ndarray) -> Trajectories:
    return [values[index] for index in indices] if isinstance(values, list) else values[indices]


def trajectory_rows(arrays: Arrays, episode: int, actions: str) -> np.ndarray:
    """Rows ``(L, 49)`` of a trajectory, physical, with ``actions`` "action" (clean) or "executed"."""
    observation = arrays["observation"][episode]
    state = state_of(observation, arrays["base_lin_vel"][episode], arrays["base_height"][episode])
    return np.concatenate([state, observation[..., OBSERVED_COMMAND], arrays[actions][episode]], axis=-1)


def fit_normalizer(arrays: Arrays) -> TransitionNormalizer:
    """Normaliser of the rows with the actions that were executed."""
    episodes = range(len(arrays["fresh"]))
    return TransitionNormalizer.fit(np.concatenate([trajectory_rows(arrays, each, "executed") for each in episodes]))


def settled_windows(arrays: Arrays, rows: int, noise: float) -> list[np.ndarray]:
    """Ticks ``(L,)`` bool from which on ``rows`` ticks have one command and little noise, for each trajectory.

    ``noise`` [rad]: root mean square of what was added to the clean actions in these ticks. What a demonstrator
    answers to noise that is still to come nobody can propose.
    """
    usable = []
    for observation, action, executed in zip(arrays["observation"], arrays["action"], arrays["executed"]):
        power = np.concatenate([[0.0], np.cumsum(((executed - action) ** 2).mean(axis=1))])
        command = observation[:, OBSERVED_COMMAND]
        changes = np.concatenate([[0, 0], np.cumsum((command[1:] != command[:-1]).any(axis=1))])
        ends = np.minimum(np.arange(len(action)) + rows, len(action))
        starts = np.arange(len(action))
        mean = (power[ends] - power[starts]) / rows
        usable.append((mean <= noise**2) & (changes[ends] == changes[starts + 1]))
    return usable


class TransitionWindows:
    """Draws windows of ``rows`` = F ticks without a reset inside, as often as the weights of their trajectories say.

    ``usable``: ticks of each trajectory from which windows may begin, None for all. ``walk_starts``: the share of the
    windows that begin when a robot that stood is told to walk.
    """

    def __init__(
        self,
        arrays: Arrays,
        rows: int,
        normalizer: TransitionNormalizer,
        usable: Sequence[np.ndarray] | None = None,
        walk_starts: float = 0.0,
    ) -> None:
        starts = window_starts(arrays["fresh"], rows + 1)
        lengths = [len(fresh) for fresh in arrays["fresh"]]
        firsts = np.cumsum([0, *lengths])[:-1]
        if usable is not None and len(starts):
            starts = starts[np.concatenate(list(usable))[firsts[starts[:, 0]] + starts[:, 1]]]
        if not len(starts):
            raise ConfigurationError(f"no trajectory has {rows + 1} ticks to learn from")
        self._firsts, self._offsets, self.normalizer = torch.from_numpy(firsts), torch.arange(rows + 1), normalizer
        weights = arrays[WEIGHT][starts[:, 0]]
        begins = np.concatenate([begins_to_walk(each[None])[0] for each in arrays["observation"]])
        at_start = begins[firsts[starts[:, 0]] + starts[:, 1]]
        self._windows = WeightedWindows(starts, weights)
        self._starts = WeightedWindows(starts[at_start], weights[at_start]) if at_start.any() else None
        self._walk_starts = walk_starts if self._starts is not None else 0.0
        total = sum(lengths)
        self._rows = torch.empty((total, TRANSITION_DIM))
        self._clean, self._previous = torch.empty((total, NUM_JOINTS)), torch.empty((total, NUM_JOINTS))
        for episode, (first, length) in enumerate(zip(firsts, lengths)):
            of_it = slice(first, first + length)
            rows_of_it = trajectory_rows(arrays, episode, "executed")
            self._rows[of_it] = torch.from_numpy(normalizer.normalize(rows_of_it))
            for table, actions in (
                (self._clean, arrays["action"][episode]),
                (self._previous, arrays["observation"][episode][..., PREVIOUS_ACTION]),
            ):
                table[of_it] = torch.from_numpy(normalizer.normalize(actions, ACTION))

    def __len__(self) -> int:
        return len(self._windows)

    def choose(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        """Trajectory and first tick ``(B, 2)`` of random windows."""
        chosen = self._windows.draw(batch, generator)
        count = round(self._walk_starts * batch)
        if count and self._starts is not None:
            chosen[:count] = self._starts.draw(count, generator)
        return chosen

    def draw(self, batch: int, generator: torch.Generator) -> Window:
        """A random batch."""
        return self.at(self.choose(batch, generator))

    def at(self, starts: torch.Tensor) -> Window:
        """The windows that begin at ``starts (B, 2)``: trajectory and tick."""
        ticks = self._firsts[starts[:, 0]][:, None] + starts[:, 1:] + self._offsets
        rows, first = self._rows[ticks], ticks[:, 0]
        return Window(
            state=rows[:, 0, STATE],
            previous=self._previous[first],
            command=rows[:, 0, COMMAND],
            clean=self._clean[ticks[:, :-1]],
            executed=rows[:, :-1, ACTION],
            states=rows[:, 1:, STATE],
        )

    def changes(self, batch: int, generator: torch.Generator) -> np.ndarray:
        """Root mean square ``(F, 34)`` of how far states are from the first one, of ``batch`` windows."""
        window = self.draw(batch, generator)
        return (window.states - window.state[:, None]).square().mean(dim=0).sqrt().numpy().astype(np.float64)


def blur(state: torch.Tensor, std: np.ndarray, velocity: float, height: float, generator: torch.Generator):
    """``state (B, 34)``, normalised by ``std``, with the estimator's errors: ``velocity`` [m/s], ``height`` [m]."""
    scale = np.zeros(STATE_DIM)
    scale[BASE_LIN_VEL], scale[BASE_HEIGHT] = velocity / std[BASE_LIN_VEL], height / std[BASE_HEIGHT]
    return state + torch.randn(state.shape, generator=generator) * torch.tensor(scale, dtype=torch.float32)
