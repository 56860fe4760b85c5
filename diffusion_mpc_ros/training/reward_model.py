"""Training of the reward model: predictions from noised windows of the dataset (arXiv 2510.04234, V-B1 and V-B3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from diffusion_mpc_ros.artefacts.kinds import REWARD, REWARD_MODEL, WEIGHTS_FILE
from diffusion_mpc_ros.artefacts.publish import publish
from diffusion_mpc_ros.artefacts.weights import weights_bytes
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import ACTION, COMMAND
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.gait import is_moving
from diffusion_mpc_ros.rewards.outcomes import OUTCOMES, at_ticks
from diffusion_mpc_ros.rewards.predictions import PREDICTED, PREDICTIONS
from diffusion_mpc_ros.training.costs_to_go import FEWEST, costs_to_go, tick_costs
from diffusion_mpc_ros.training.dataset import TrajectoryDataset, check_equal_lengths, prefix_sums
from diffusion_mpc_ros.training.loop import LoopConfig, check_resumable, optimize
from diffusion_mpc_ros.training.networks.reward_model import RewardModel
from diffusion_mpc_ros.training.pretrain import (
    DATASETS,
    Corruption,
    WindowSampler,
    identities,
    join,
    load_rows,
    open_datasets,
    read_prior,
)
from diffusion_mpc_ros.training.provenance import source_commit
from diffusion_mpc_ros.training.runs import configuration_json, made_of
from diffusion_mpc_ros.training.weights import parameters

# What the targets are worked out from; see training/collect.py.
LABELS = ("base_height", "mechanical_power", "foot_height", "base_lin_vel", "gait")

# The scores of a reward model in its card.
R_SQUARED = "reward_model_r_squared"


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
    datasets: tuple[Path, ...] = DATASETS
    run_dir: Path = Path("runs/reward_model")
    seed: int = 5
    network: RewardNetworkConfig = field(default_factory=RewardNetworkConfig)
    iterations: int = 12000
    held_out: float = 0.05
    score_windows: int = 4096

    def __post_init__(self) -> None:
        if not 0.0 < self.held_out < 1.0:
            raise ConfigurationError(f"held_out must be a share between 0 and 1, got {self.held_out}")

    @property
    def output(self) -> Path:
        """The folder of the artefact."""
        return self.run_dir / "artefact"


def step_frequencies(observation: np.ndarray, gait: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """``(E, L)`` [Hz] of trajectories ``(E, L, 45)`` in the gaits ``(E, G)`` with the parameters ``names``."""
    return is_moving(observation[..., COMMAND]) * gait[:, [list(names).index("step_frequency")]]


def window_means(arrays: dict[str, np.ndarray], horizon: int) -> np.ndarray:
    """Those :data:`PREDICTIONS` that are means over the ``horizon`` rows from each tick on: ``(E, L - H + 1, M)``."""
    ticks = {**at_ticks(arrays), "step_frequency": arrays["step_frequency"]}
    means = [name for name in PREDICTED if name in ticks]
    columns = [ticks[name] if OUTCOMES[name].shape else ticks[name][..., None] for name in means]
    sums = prefix_sums(np.concatenate(columns, axis=-1))
    return (sums[:, horizon:] - sums[:, :-horizon]) / horizon


def window_targets(arrays: dict[str, np.ndarray], horizon: int) -> np.ndarray:
    """Return the :data:`PREDICTIONS` of the window of ``horizon`` rows that starts at each tick: ``(E, L - H + 1, P)``.

    NaN where one is not known.
    """
    to_go = costs_to_go(tick_costs(arrays), arrays["observation"][..., COMMAND], arrays["fresh"], horizon)
    return np.concatenate([window_means(arrays, horizon), to_go], axis=-1, dtype=np.float32)


class LabelledWindows(WindowSampler):
    """Windows of what was really executed, ``(B, T, 57)`` normalised, with their targets ``(B, P)``."""

    def __init__(
        self, arrays: dict[str, np.ndarray], rows: int, normalizer: Normalizer, walk_starts: float = 0.0
    ) -> None:
        super().__init__(arrays, rows, normalizer, walk_starts)
        # A reward judges what happens, not what the demonstrator would have done.
        self._table[..., ACTION] = self._executed
        self.targets = torch.from_numpy(window_targets(arrays, rows - 1))

    def draw(self, batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a random batch of windows and targets."""
        episodes, ticks = self.choose(batch, generator)
        return self._table[self._rows(episodes, ticks)], self.targets[episodes[:, 0], ticks[:, 0]]


class Task:
    """Data, noise and network of one training run."""

    def __init__(self, config: RewardModelConfig) -> None:
        self.config = config
        self.prior, run, _ = read_prior(config.pretrain_dir)
        self.normalizer = Normalizer.from_json(run["normalizer"])
        self.schedule, rows = NoiseSchedule(self.prior.steps), self.prior.horizon + 1
        self.corruption = Corruption(self.prior, self.schedule)
        datasets = open_datasets(config.datasets)
        prior = made_of(self.prior, {"normalizer": run["normalizer"]})
        self.made_of = made_of(config, {"datasets": identities(datasets), "prior": prior})
        check_resumable(config.run_dir, self.made_of)
        arrays = join([self._labelled_rows(dataset) for dataset in datasets])
        check_equal_lengths(arrays, "a reward model")
        count = len(arrays["fresh"])
        split = round(count * (1.0 - config.held_out))
        if not 0 < split < count:
            raise ConfigurationError(
                f"{' '.join(map(str, config.datasets))}: {count} trajectories are too few to hold out a share of "
                f"{config.held_out:g}"
            )
        shuffled = np.random.default_rng(config.seed).permutation(count)
        parts = ({name: values[part] for name, values in arrays.items()} for part in np.split(shuffled, [split]))
        self.training, self.held_out = (
            LabelledWindows(part, rows, self.normalizer, self.prior.walk_starts) for part in parts
        )
        self.network = RewardModel(rows, **dataclasses.asdict(config.network))
        targets = self.training.targets.flatten(0, 1)
        if not targets.isfinite().any(dim=0).all():
            raise ConfigurationError(
                f"{' '.join(map(str, config.datasets))}: no window is followed by {FEWEST} ticks of the same command, "
                "so nothing says what it leads to"
            )
        self.network.mean.copy_(targets.nanmean(dim=0))
        self.network.std.copy_((targets - self.network.mean).square().nanmean(dim=0).sqrt())

    def _labelled_rows(self, dataset: TrajectoryDataset) -> dict[str, np.ndarray]:
        arrays = load_rows(dataset, self.prior.relabel_commands, LABELS)
        gait = arrays.pop("gait")
        arrays["step_frequency"] = step_frequencies(arrays["observation"], gait, list(dataset.attributes["gait"]))
        return arrays

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Mean squared standardised error on a batch at the levels that follow a reverse step, 0 to K - 1.

        Over the targets that are known.
        """
        tau, targets = self.training.draw(self.config.batch, generator)
        levels = self.corruption.levels(len(tau), generator) - 1
        noisy, features, _ = self.corruption(tau, tau[..., ACTION], generator, levels)
        known = targets.isfinite()
        standardised = (targets.nan_to_num() - self.network.mean) / self.network.std
        # No NaN comes near the error: times 0, it would be one in the gradient.
        error = torch.where(known, self.network.standardised(noisy, features) - standardised, 0.0)
        return error.square().sum() / known.sum()

    @torch.no_grad()
    def scores(self) -> dict[str, list[float]]:
        """Held-out ``R^2`` of each prediction at the noise levels 0 to K - 1."""
        generator = torch.Generator().manual_seed(self.config.seed)
        scores: dict[str, list[float]] = {name: [] for name in PREDICTIONS}
        for level in range(self.schedule.steps):
            tau, targets = self.held_out.draw(self.config.score_windows, generator)
            levels = torch.full(tau.shape[:2], level)
            noisy, features, _ = self.corruption(tau, tau[..., ACTION], generator, levels)
            error = (self.network(noisy, features) - targets).square().nanmean(dim=0)
            variance = (targets - targets.nanmean(dim=0)).square().nanmean(dim=0)
            for name, value in zip(PREDICTIONS, 1.0 - error / variance):
                scores[name].append(round(float(value), 4))
        return scores


def main(config: RewardModelConfig) -> None:
    """Train, resuming from ``run_dir/checkpoint.pt``; publish the artefact with its held-out scores, and print these.

    Raises :class:`ConfigurationError` when the checkpoint is of another configuration, prior or other data.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    task = Task(config)
    config.run_dir.mkdir(parents=True, exist_ok=True)
    state = optimize(config, task.network, task.loss, config.run_dir, task.made_of, "reward model")
    task.network.load_state_dict(state.ema.module.state_dict())
    scores = task.scores()
    publish_reward_model(task, scores)
    score_grid(scores).print(Console(width=140))


def publish_reward_model(task: Task, scores: dict[str, list[float]]) -> None:
    """Publish the network of ``task`` as an artefact of its own, which `train export` takes."""
    publish(
        task.config.output,
        REWARD,
        {WEIGHTS_FILE: weights_bytes({REWARD_MODEL: parameters(task.network)})},
        {REWARD_MODEL: dataclasses.asdict(task.config.network)},
        name=task.config.run_dir.name,
        model={"rows": task.prior.horizon + 1, "normalizer": task.normalizer.to_json(), "predictions": PREDICTIONS},
        training={"configuration": {"config": configuration_json(task.config), "source_commit": source_commit()}},
        scores={R_SQUARED: scores},
    )


def score_grid(scores: dict[str, list[float]]) -> Grid:
    """R^2 by prediction and noise level."""
    levels = range(len(next(iter(scores.values()))))
    lines = [[name, PREDICTIONS[name], *(f"{value:.3f}" for value in values)] for name, values in scores.items()]
    return Grid("Held-out R^2 by noise level", ("prediction", "unit", *(f"k = {level}" for level in levels)), lines)
