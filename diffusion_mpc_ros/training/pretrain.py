"""Pretraining of the diffusion prior: x0-prediction on noised trajectory windows (arXiv 2510.04234, section III)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from diffusion_mpc_ros.artefacts.kinds import DENOISER
from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.trajectory import ACTION, COMMAND, OBSERVATION, PREVIOUS_ACTION, ROW_DIM
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.policies.gait import is_moving
from diffusion_mpc_ros.training import distributed, relabelling
from diffusion_mpc_ros.training.dataset import (
    ROWS,
    WEIGHT,
    Trajectories,
    TrajectoryDataset,
    check_equal_lengths,
    joined,
    window_starts,
)
from diffusion_mpc_ros.training.device import pick_device
from diffusion_mpc_ros.training.loop import METADATA_FILE, LoopConfig, check_resumable, optimize, read_run
from diffusion_mpc_ros.training.networks import NetworkConfig, build_denoiser
from diffusion_mpc_ros.training.precision import autocast
from diffusion_mpc_ros.training.provenance import source_commit
from diffusion_mpc_ros.training.runs import configuration_json, made_of
from diffusion_mpc_ros.training.weights import load_weights

# What config/training/collect*.yaml write.
DATASETS = tuple(map(Path, ("runs/dataset", "runs/dataset_specialists", "runs/dataset_low")))
# A robot that was told to walk so many ticks ago, about half a step, is still starting.
START_TICKS = 12


@dataclass(frozen=True)
class CorruptionConfig:
    """How windows of ``horizon`` + 1 rows are corrupted, and what an error in an action counts beside others.

    ``committed_max``: up to this many leading actions are given instead of noised, as asynchronous execution does
    (training-time action conditioning); ``committed`` is the share of windows treated so. ``two_level`` is the share
    of windows whose last rows are noisier than the rest, as early-step caching leaves them.
    """

    horizon: int = 11
    action_weight: float = 3.0
    committed: float = 0.65
    committed_max: int = 6
    two_level: float = 0.35


@dataclass(frozen=True)
class PretrainConfig(CorruptionConfig, LoopConfig):
    """``diffusion-mpc train pretrain``: the denoiser on the collected windows; see :class:`CorruptionConfig`, too.

    ``walk_starts`` is the share of windows that begin when a robot that stood is told to walk: few ticks of a dataset,
    but a robot that does not start now finds itself in the same state again, for ever. ``relabel_commands``: see
    :mod:`training.relabelling`; a dataset without labels needs it off. ``datasets`` are learned from together, each
    with commands relabelled by itself. ``initial``: an artefact, by its name in ``models/`` or its folder, whose
    denoiser is trained further (finetuning), with the normaliser that it has. ``bfloat16``: see
    :mod:`training.precision`.
    """

    datasets: tuple[Path, ...] = DATASETS
    run_dir: Path = Path("runs/pretrain")
    seed: int = 3
    iterations: int = 30000
    device: str = "auto"
    steps: int = 10
    network: NetworkConfig = field(default_factory=NetworkConfig)
    walk_starts: float = 0.05
    relabel_commands: bool = True
    bfloat16: bool = True
    initial: str = ""

    @property
    def replan_margin(self) -> int:
        """Largest replan margin D [control ticks] that the denoiser is trained for: so many actions are committed."""
        return min(self.committed_max, self.horizon - 1) if self.committed > 0.0 else 0


class WindowSampler:
    """Draws normalised training windows: ``tau0 (B, T, 57)`` with clean actions, ``executed (B, T, 12)`` beside it.

    ``walk_starts``: the share of the windows that begin where a robot starts to walk; 0 draws all windows alike, but
    for the ``weight (E,)`` of their trajectories, or of each tick that they begin with ``(E, L)``, if ``arrays`` has
    them.
    """

    def __init__(
        self, arrays: dict[str, Trajectories], rows: int, normalizer: Normalizer, walk_starts: float = 0.0
    ) -> None:
        windows = window_starts(arrays["fresh"], rows)
        if not len(windows):
            raise ConfigurationError(f"no trajectory has {rows} ticks without a reset: there is nothing to learn from")
        # One trajectory behind the other, each beginning at its row.
        lengths = [len(fresh) for fresh in arrays["fresh"]]
        firsts = np.cumsum([0, *lengths])[:-1]
        begins = np.concatenate([begins_to_walk(observation[None])[0] for observation in arrays["observation"]])
        at_start = begins[firsts[windows[:, 0]] + windows[:, 1]]
        weights = arrays.get(WEIGHT, np.ones(len(arrays["fresh"])))
        weights = weights[windows[:, 0]] if np.ndim(weights) == 1 else weights[windows[:, 0], windows[:, 1]]
        self._windows = WeightedWindows(windows, weights)
        self._walk_starts = WeightedWindows(windows[at_start], weights[at_start]) if at_start.any() else None
        self._walk_start_share = walk_starts if self._walk_starts is not None else 0.0
        self._firsts = torch.from_numpy(firsts)
        self._table, self._executed = torch.empty((sum(lengths), ROW_DIM)), torch.empty((sum(lengths), NUM_JOINTS))
        # One episode at a time: millions of rows in double precision do not fit beside themselves.
        for episode, (observation, action) in enumerate(zip(arrays["observation"], arrays["action"])):
            of_it = slice(firsts[episode], firsts[episode] + lengths[episode])
            table = np.concatenate([observation, action], axis=-1)
            self._table[of_it] = torch.from_numpy(normalizer.normalize(table))
            table[:, ACTION] = arrays["executed"][episode]
            self._executed[of_it] = torch.from_numpy(normalizer.normalize(table)[:, ACTION])
        self._offsets = torch.arange(rows)

    def __len__(self) -> int:
        return len(self._windows)

    def choose(self, batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Trajectories ``(B, 1)`` and ticks ``(B, T)`` of random windows."""
        chosen = self._windows.draw(batch, generator)
        count = round(self._walk_start_share * batch)
        if count and self._walk_starts is not None:
            chosen[:count] = self._walk_starts.draw(count, generator)
        return chosen[:, :1], chosen[:, 1:] + self._offsets

    def draw(self, batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a random batch."""
        rows = self._rows(*self.choose(batch, generator))
        return self._table[rows], self._executed[rows]

    def _rows(self, episodes: torch.Tensor, ticks: torch.Tensor) -> torch.Tensor:
        """Where the ticks of trajectories lie in the tables."""
        return self._firsts[episodes] + ticks


class WeightedWindows:
    """Windows ``(W, 2)`` that are drawn as often as their weights ``(W,)`` say."""

    def __init__(self, windows: np.ndarray, weights: np.ndarray) -> None:
        self._windows = torch.from_numpy(windows)
        # Of equal weights nothing has to be searched for, and the random numbers are those of no weights.
        self._sums = None if np.ptp(weights) == 0.0 else torch.from_numpy(np.cumsum(weights, dtype=np.float64))

    def __len__(self) -> int:
        return len(self._windows)

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Return ``(count, 2)`` of them at random."""
        if self._sums is None:
            return self._windows[torch.randint(len(self._windows), (count,), generator=generator)]
        places = torch.rand(count, dtype=torch.float64, generator=generator) * self._sums[-1]
        # Rounded up to the whole sum a place would lie behind the last window.
        chosen = torch.searchsorted(self._sums, places, right=True).clamp(max=len(self._windows) - 1)
        return self._windows[chosen]


def begins_to_walk(observation: np.ndarray) -> np.ndarray:
    """Where robots of ``observation (E, L, 45)`` walk and stood within the last :data:`START_TICKS`: ``(E, L)``."""
    moving = is_moving(observation[..., COMMAND])
    stood = np.zeros_like(moving)
    for ticks in range(1, START_TICKS + 1):
        stood[:, ticks:] |= ~moving[:, :-ticks]
    return moving & stood


class Corruption:
    """The forward process with per-row noise levels and known entries, as the sampler meets them."""

    def __init__(self, config: CorruptionConfig, schedule: NoiseSchedule) -> None:
        self._config, self._rows = config, config.horizon + 1
        self._steps = schedule.steps
        self._abar = torch.tensor(schedule.alphas_cumprod, dtype=torch.float32)

    def levels(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        """Noise levels ``(B, T)`` in 1..K.

        One level for all rows, or two: after caching with n steps left, rows with a predecessor are at level
        ``a <= n`` and the last rows at the proportional level ``round(K a / n)``.
        """
        steps, rows = self._steps, self._rows
        draw = lambda low, high: torch.randint(low, high, (batch, 1), generator=generator)  # noqa: E731
        level = draw(1, steps + 1).expand(batch, rows)
        remaining = draw(2, steps)
        reached = torch.minimum(draw(1, steps), remaining)
        tail = torch.round(steps * reached / remaining).long()
        is_tail = torch.arange(rows) >= rows - draw(1, rows - 2)
        two = torch.where(is_tail, tail, reached)
        return torch.where(torch.rand(batch, 1, generator=generator) < self._config.two_level, two, level)

    def __call__(
        self,
        tau0: torch.Tensor,
        executed: torch.Tensor,
        generator: torch.Generator,
        levels: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """``(noisy tau, row features, weight of each entry in the loss)``; ``levels (B, T)`` are drawn if not given."""
        batch, rows = tau0.shape[:2]
        levels = self.levels(batch, generator) if levels is None else levels
        abar = self._abar[levels][..., None]
        noise = torch.randn(tau0.shape, generator=generator)
        noisy = abar.sqrt() * tau0 + (1.0 - abar).sqrt() * noise
        count = torch.randint(1, self._config.committed_max + 1, (batch, 1), generator=generator)
        count = count * (torch.rand(batch, 1, generator=generator) < self._config.committed)
        row = torch.arange(rows)
        committed = row < count
        known = torch.zeros(batch, rows, ROW_DIM, dtype=torch.bool)
        known[:, 0, OBSERVATION] = True
        known[:, :, COMMAND] = True
        known[:, :, ACTION] = committed[..., None]
        # What was executed at one tick is the previous action of the next.
        known[:, :, PREVIOUS_ACTION] |= ((row >= 1) & (row <= count))[..., None]
        value = tau0.clone()
        value[..., ACTION] = torch.where(committed[..., None], executed, tau0[..., ACTION])
        noisy = torch.where(known, value, noisy)
        features = torch.cat([abar.sqrt(), (1.0 - abar).sqrt(), committed[..., None].float()], dim=-1)
        weight = torch.ones(ROW_DIM)
        weight[ACTION] = self._config.action_weight
        return noisy, features, weight * ~known


def denoising_loss(
    network: nn.Module,
    corruption: Corruption,
    tau0: torch.Tensor,
    executed: torch.Tensor,
    generator: torch.Generator,
    device: torch.device,
    bfloat16: bool,
) -> torch.Tensor:
    """Mean squared error of x0-prediction on the windows ``tau0 (B, T, 57)``, weighed as the corruption says."""
    noisy, features, weight = (tensor.to(device) for tensor in corruption(tau0, executed, generator))
    with autocast(device, bfloat16):
        predicted = network(noisy, features)
    return (weight * (predicted.float() - tau0.to(device)) ** 2).sum() / weight.sum()


def open_datasets(paths: Sequence[Path]) -> list[TrajectoryDataset]:
    """Return the datasets in the folders ``paths``; :class:`ConfigurationError` for none, and where there is none."""
    if not paths:
        raise ConfigurationError("datasets names no folder: there is nothing to learn from")
    return [TrajectoryDataset.open(path) for path in paths]


def identities(datasets: Sequence[TrajectoryDataset]) -> dict[str, str]:
    """SHA-256 of each of the datasets by its folder."""
    return {str(dataset.path): dataset.sha256() for dataset in datasets}


def load_rows(dataset: TrajectoryDataset, relabel: bool, names: Sequence[str] = ()) -> dict[str, Trajectories]:
    """Return the rows of one dataset, commands relabelled or not, the arrays ``names``, and the weights ``(E,)``."""
    arrays = dataset.load(tuple(dict.fromkeys((*ROWS, *names, *(relabelling.labels_of(dataset) if relabel else ())))))
    if relabel:
        check_equal_lengths(arrays, f"{dataset.path}: relabel_commands")
        arrays["observation"] = relabelling.relabel_commands(arrays)
    return {**{name: arrays[name] for name in dict.fromkeys((*ROWS, *names))}, WEIGHT: dataset.weights()}


def join(parts: Sequence[dict[str, Trajectories]]) -> dict[str, Trajectories]:
    """Return the arrays of several datasets as those of one."""
    return {name: joined([part[name] for part in parts]) for name in parts[0]}


def fit_normalizer(arrays: dict[str, Trajectories]) -> Normalizer:
    """Normaliser of the dataset's rows; joint targets share the statistics of the executed and the clean actions."""
    observation, action = (
        np.concatenate(arrays[name]) if isinstance(arrays[name], list) else arrays[name]
        for name in ("observation", "action")
    )
    return Normalizer.fit(np.concatenate([observation, action], axis=-1))


def load_initial(config: PretrainConfig, network: nn.Module) -> Prior:
    """Give ``network`` the weights of the artefact ``config.initial``; -> the artefact.

    Raises :class:`ConfigurationError` when its horizon, schedule or network are others, ArtefactError when it fails its
    check.
    """
    artefact = load(model_folder(config.initial))
    description = artefact.description
    of_artefact = description.horizon, description.schedule, artefact.networks[DENOISER]
    asked = config.horizon, NoiseSchedule(config.steps), dataclasses.asdict(config.network)
    if of_artefact != asked:
        raise ConfigurationError(
            f"the artefact {config.initial!r} has horizon, schedule and network {of_artefact}, this training {asked}: "
            "finetuning needs the same"
        )
    load_weights(network, artefact).train()
    return artefact


def write_metadata(
    config: PretrainConfig, normalizer: Normalizer, datasets: list[dict[str, Any]], initial: str
) -> None:
    """``run.json`` beside the checkpoint: all that `train export` needs besides the weights.

    ``initial``: SHA-256 of the artefact that is finetuned, "" for none. Of several processes the first one writes.
    """
    if not distributed.is_first():
        return
    metadata = {
        "initial_sha256": initial,
        "config": configuration_json(config),
        "normalizer": normalizer.to_json(),
        "datasets": datasets,
        "source_commit": source_commit(),
    }
    (config.run_dir / METADATA_FILE).write_text(json.dumps(metadata, indent=2) + "\n")


def read_prior(run_dir: Path) -> tuple[PretrainConfig, dict[str, Any], dict[str, Any]]:
    """Return configuration, metadata and checkpoint of a run; :class:`ConfigurationError` when it is not there."""
    run, checkpoint = read_run(run_dir)
    return config_files.build(PretrainConfig, run["config"], f"the configuration of {run_dir}"), run, checkpoint


@distributed.joined()
def main(config: PretrainConfig) -> None:
    """Train, resuming from ``run_dir/checkpoint.pt``; the EMA weights are what `train export` takes.

    Raises :class:`ConfigurationError` when the checkpoint is of another configuration or other data.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    datasets = open_datasets(config.datasets)
    network = build_denoiser(config.network, config.horizon + 1)
    initial = load_initial(config, network) if config.initial else None
    identity = initial.identity if initial else ""
    run = made_of(config, {"datasets": identities(datasets), "initial_sha256": identity})
    check_resumable(config.run_dir, run)
    config.run_dir.mkdir(parents=True, exist_ok=True)
    arrays = join([load_rows(dataset, config.relabel_commands) for dataset in datasets])
    normalizer = initial.description.normalizer if initial else fit_normalizer(arrays)
    schedule = NoiseSchedule(config.steps)
    sampler = WindowSampler(arrays, config.horizon + 1, normalizer, config.walk_starts)
    device = pick_device(config.device)
    corruption = Corruption(config, schedule)
    network = network.to(device)
    write_metadata(config, normalizer, [dataset.attributes for dataset in datasets], identity)

    def loss(generator: torch.Generator) -> torch.Tensor:
        batch = sampler.draw(distributed.share(config.batch), generator)
        return denoising_loss(network, corruption, *batch, generator, device, config.bfloat16)

    optimize(config, network, loss, config.run_dir, run, f"pretrain {len(sampler)} windows", device)
