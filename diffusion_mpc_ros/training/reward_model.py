"""Training of the reward model: predictions from noised windows of the dataset (arXiv 2510.04234, V-B1 and V-B3)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import FOOT_RADIUS
from diffusion_mpc_ros.core.trajectory import ACTION, COMMAND
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.evaluation.gait import is_moving
from diffusion_mpc_ros.evaluation.grid import Grid
from diffusion_mpc_ros.rewards.predictions import PREDICTIONS
from diffusion_mpc_ros.training.dataset import TrajectoryDataset
from diffusion_mpc_ros.training.loop import METADATA_FILE, LoopConfig, optimize
from diffusion_mpc_ros.training.networks.reward_model import RewardModel
from diffusion_mpc_ros.training.pretrain import Corruption, WindowSampler, load_rows, read_prior
from diffusion_mpc_ros.training.provenance import source_commit

# What the targets are worked out from; see training/collect.py.
LABELS = ("base_height", "mechanical_power", "foot_height", "base_lin_vel", "gait")


@dataclass(frozen=True)
class RewardNetworkConfig:
    """Width of the layers and residual blocks of :class:`RewardModel`."""

    width: int = 128
    blocks: int = 1


@dataclass(frozen=True)
class RewardModelConfig(LoopConfig):
    """``diffusion-mpc train reward-model``: for the prior of ``pretrain_dir``, whose normaliser and schedule it takes.

    ``held_out``: share of the trajectories that is kept for the scores.
    """

    pretrain_dir: Path = Path("runs/pretrain")
    dataset: Path = Path("runs/dataset")
    run_dir: Path = Path("runs/reward_model")
    seed: int = 5
    network: RewardNetworkConfig = field(default_factory=RewardNetworkConfig)
    iterations: int = 12000
    held_out: float = 0.05
    score_windows: int = 4096

    def __post_init__(self) -> None:
        if not 0.0 < self.held_out < 1.0:
            raise ConfigurationError(f"held_out must be a share between 0 and 1, got {self.held_out}")


def step_frequencies(observation: np.ndarray, gait: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """``(E, L)`` [Hz] of trajectories ``(E, L, 45)`` in the gaits ``(E, G)`` with the parameters ``names``."""
    moving = is_moving(observation[..., COMMAND].reshape(-1, 3)).reshape(observation.shape[:2])
    return moving * gait[:, [list(names).index("step_frequency")]]


def window_targets(arrays: dict[str, np.ndarray], horizon: int) -> np.ndarray:
    """The :data:`PREDICTIONS` of the window of ``horizon`` rows that starts at each tick: ``(E, L - H + 1, P)``."""
    clearance = arrays["foot_height"].max(axis=-1) - FOOT_RADIUS
    velocity = np.moveaxis(arrays["base_lin_vel"][..., :2], -1, 0)
    ticks = np.stack(
        [arrays["base_height"], arrays["mechanical_power"], clearance, *velocity, arrays["step_frequency"]], axis=-1
    )
    sums = np.cumsum(ticks, axis=1, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums[:, :1]), sums], axis=1)
    return ((sums[:, horizon:] - sums[:, :-horizon]) / horizon).astype(np.float32)


class LabelledWindows(WindowSampler):
    """Windows of what was really executed, ``(B, T, 57)`` normalised, with their targets ``(B, P)``."""

    def __init__(self, arrays: dict[str, np.ndarray], rows: int, normalizer: Normalizer) -> None:
        super().__init__(arrays, rows, normalizer)
        # A reward judges what happens, not what the demonstrator would have done.
        self._table[..., ACTION] = self._executed
        self.targets = torch.from_numpy(window_targets(arrays, rows - 1))

    def draw(self, batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A random batch of windows and targets."""
        episodes, ticks = self.choose(batch, generator)
        return self._table[episodes, ticks], self.targets[episodes[:, 0], ticks[:, 0]]


class Task:
    """Data, noise and network of one training run."""

    def __init__(self, config: RewardModelConfig) -> None:
        self.config = config
        self.prior, run, _ = read_prior(config.pretrain_dir)
        normalizer = Normalizer.from_json(run["normalizer"])
        self.schedule, rows = NoiseSchedule(self.prior.steps), self.prior.horizon + 1
        self.corruption = Corruption(self.prior, self.schedule)
        dataset = TrajectoryDataset.open(config.dataset)
        arrays = load_rows(dataset, self.prior.relabel_commands, LABELS)
        arrays["step_frequency"] = step_frequencies(
            arrays["observation"], arrays["gait"], list(dataset.attributes["gait"])
        )
        split = round(len(arrays["fresh"]) * (1.0 - config.held_out))
        if not 0 < split < len(arrays["fresh"]):
            count = len(arrays["fresh"])
            raise ConfigurationError(
                f"{config.dataset} has {count} trajectories: too few to hold out a share of {config.held_out:g}"
            )
        parts = ({name: values[part] for name, values in arrays.items()} for part in (slice(split), slice(split, None)))
        self.training, self.held_out = (LabelledWindows(part, rows, normalizer) for part in parts)
        self.network = RewardModel(rows, **dataclasses.asdict(config.network))
        targets = self.training.targets.flatten(0, 1)
        self.network.mean.copy_(targets.mean(dim=0))
        self.network.std.copy_(targets.std(dim=0))

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Mean squared standardised error on a batch at the levels that follow a reverse step, 0 to K - 1."""
        tau, targets = self.training.draw(self.config.batch, generator)
        levels = self.corruption.levels(len(tau), generator) - 1
        noisy, features, _ = self.corruption(tau, tau[..., ACTION], generator, levels)
        error = self.network.standardised(noisy, features) - (targets - self.network.mean) / self.network.std
        return (error**2).mean()

    @torch.no_grad()
    def scores(self) -> dict[str, list[float]]:
        """Held-out ``R^2`` of each prediction at the noise levels 0 to K - 1."""
        generator = torch.Generator().manual_seed(self.config.seed)
        scores: dict[str, list[float]] = {name: [] for name in PREDICTIONS}
        for level in range(self.schedule.steps):
            tau, targets = self.held_out.draw(self.config.score_windows, generator)
            levels = torch.full(tau.shape[:2], level)
            noisy, features, _ = self.corruption(tau, tau[..., ACTION], generator, levels)
            error = ((self.network(noisy, features) - targets) ** 2).mean(dim=0)
            for name, value in zip(PREDICTIONS, 1.0 - error / targets.var(dim=0)):
                scores[name].append(round(float(value), 4))
        return scores


def main(config: RewardModelConfig) -> None:
    """Train, resuming from ``run_dir/checkpoint.pt``; print and keep the held-out scores."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    config.run_dir.mkdir(parents=True, exist_ok=True)
    task = Task(config)
    state = optimize(config, task.network, task.loss, config.run_dir, "reward model")
    task.network.load_state_dict(state.ema.shadow)
    scores = task.scores()
    metadata = {
        "config": json.loads(json.dumps(dataclasses.asdict(config), default=str)),
        "r_squared": scores,
        "source_commit": source_commit(),
    }
    (config.run_dir / METADATA_FILE).write_text(json.dumps(metadata, indent=2) + "\n")
    score_grid(scores).print(Console(width=140))


def score_grid(scores: dict[str, list[float]]) -> Grid:
    """R^2 by prediction and noise level."""
    levels = range(len(next(iter(scores.values()))))
    lines = [[name, PREDICTIONS[name], *(f"{value:.3f}" for value in values)] for name, values in scores.items()]
    return Grid("Held-out R^2 by noise level", ("prediction", "unit", *(f"k = {level}" for level in levels)), lines)
