"""``diffusion-mpc train value``: what a window of D-MPC is worth beyond its states.

One network reads F actions and the states after them, and predicts the outcomes that reward terms read and no state
says, and the tracking cost of the second after the window, the value of what comes after: each tick counts
``min(|v - v_cmd|^2 + (w - w_cmd)^2, 1)``, and 1 after a fall.

examples:
  diffusion-mpc train value
  diffusion-mpc train value --datasets runs/dataset_dynamics --iterations 2000 --run-dir runs/quick
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from diffusion_mpc_ros.artefacts.kinds import VALUE
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import BASE_ANG_VEL, COMMAND
from diffusion_mpc_ros.diffusion.network import OnnxNetwork
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.planners.d_mpc.description import COST_TO_GO, Description, value_sizes
from diffusion_mpc_ros.rewards.predictions import PREDICTIONS
from diffusion_mpc_ros.training.costs_to_go import AHEAD, FEWEST
from diffusion_mpc_ros.training.d_mpc.denoising import ModelConfig, begin, graph_of, publish_model, train
from diffusion_mpc_ros.training.d_mpc.transitions import (
    Arrays,
    TransitionWindows,
    Window,
    blur,
    fit_normalizer,
    load_arrays,
    split,
)
from diffusion_mpc_ros.training.dataset import check_equal_lengths, interruptions, prefix_sums
from diffusion_mpc_ros.training.networks.conditional_mlp import MLPConfig, ValueMLP
from diffusion_mpc_ros.training.reward_model import step_frequencies, window_targets

# What of a dataset the outcomes are worked out from, beside states and rows.
LABELS = ("mechanical_power", "foot_height", "gait")
# Cost of a tick after a fall, and the most that one costs before.
FALLEN = 1.0


@dataclass(frozen=True)
class ValueConfig(ModelConfig):
    """``diffusion-mpc train value``. ``state_noise``: on predicted states, which err, in standard deviations."""

    run_dir: Path = Path("runs/value")
    seed: int = 23
    iterations: int = 8000
    network: MLPConfig = field(default_factory=lambda: MLPConfig(width=256, blocks=1))
    state_noise: float = 0.1


def tracking_costs(arrays: Arrays) -> np.ndarray:
    """Cost ``(E, L)`` of each tick: squared errors of planar velocity [m/s] and yaw rate [rad/s], at most 1."""
    command = arrays["observation"][..., COMMAND]
    planar = arrays["base_lin_vel"][..., :2] - command[..., :2]
    yaw = arrays["observation"][..., BASE_ANG_VEL][..., 2] - command[..., 2]
    return np.minimum((planar**2).sum(axis=-1) + yaw**2, FALLEN)


def tracking_costs_to_go(cost: np.ndarray, command: np.ndarray, fresh: np.ndarray, rows: int) -> np.ndarray:
    """Mean cost of the :data:`AHEAD` ticks after each window of ``rows`` states: ``(E, L - rows)``.

    ``cost (E, L)``, ``command (E, L, 3)``, ``fresh (E, L)``. A window that begins at tick t ends with the state at
    t + rows. Ticks after a fall count :data:`FALLEN`. Where the command changes, or the data end, only the ticks
    before that count; NaN where they are fewer than :data:`FEWEST`, and where the window itself holds a reset.
    """
    episodes, length = cost.shape
    fell = fresh.copy()
    fell[:, 0] = False
    fell[:, 1:] &= ~fresh[:, :-1]
    other = interruptions(command, np.zeros_like(fresh))
    next_of = lambda mask: np.minimum.accumulate(np.where(mask, np.arange(length), length)[:, ::-1], axis=1)[:, ::-1]  # noqa: E731
    start = np.arange(rows, length)
    fall, change = next_of(fell)[:, rows:], next_of(other)[:, np.minimum(start + 1, length - 1)]
    change = np.where(start + 1 < length, change, length)
    end = np.minimum(np.minimum(start + AHEAD, change), fall)
    has_fallen = (fall < np.minimum(start + AHEAD, length)) & (fall <= change)
    sums = prefix_sums(cost[..., None])[..., 0]
    episode = np.arange(episodes)[:, None]
    walked = np.maximum(end - start, 0)
    total = sums[episode, np.maximum(end, start)] - sums[episode, np.broadcast_to(start, end.shape)]
    total = total + np.where(has_fallen, (AHEAD - walked) * FALLEN, 0.0)
    count = np.where(has_fallen, AHEAD, walked)
    return np.where(count >= FEWEST, total / np.maximum(count, 1), np.nan)


def targets_of(arrays: Arrays, rows: int, gait: list[str]) -> np.ndarray:
    """Targets ``(E, L - rows, P + 1)`` of the window from each tick on: outcomes and the tracking cost to go.

    NaN where one is not known.
    """
    observation = arrays["observation"]
    named = {**arrays, "step_frequency": step_frequencies(observation, arrays["gait"], gait)}
    outcomes = window_targets(named, rows)[:, :-1]
    to_go = tracking_costs_to_go(tracking_costs(arrays), observation[..., COMMAND], arrays["fresh"], rows)
    return np.concatenate([outcomes, to_go[..., None].astype(np.float32)], axis=-1)


def features(window: Window, state: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """What values are given, in the order of :class:`planners.d_mpc.models.Values`."""
    return torch.cat([state, window.command, window.executed.flatten(1), states.flatten(1)], dim=1)


class Task:
    """Draws training batches of values."""

    def __init__(self, config: ValueConfig, windows: TransitionWindows, targets: np.ndarray, network: ValueMLP) -> None:
        self.config, self.windows = config, windows
        self.targets = torch.from_numpy(np.ascontiguousarray(targets))
        flat = self.targets.flatten(0, 1)
        network.mean.copy_(flat.nanmean(dim=0))
        network.std.copy_((flat - network.mean).square().nanmean(dim=0).sqrt().clamp(min=1e-6))
        self._weight = 1.0 / network.std.detach().clone().square()

    def at(self, batch: int, generator: torch.Generator) -> tuple[Window, torch.Tensor]:
        """Windows and their targets ``(B, P + 1)``."""
        starts = self.windows.choose(batch, generator)
        return self.windows.at(starts), self.targets[starts[:, 0], starts[:, 1]]

    def __call__(self, generator: torch.Generator) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], torch.Tensor]:
        """See :func:`denoising.train`."""
        config = self.config
        window, target = self.at(config.batch, generator)
        std = self.windows.normalizer.std
        state = blur(window.state, std, config.velocity_noise, config.height_noise, generator)
        noise = torch.randn(window.states.shape, generator=generator)
        states = window.states + config.state_noise * noise
        known = target.isfinite()
        return target.nan_to_num(), (features(window, state, states),), self._weight * known


def held_out_scores(config: ValueConfig, network: OnnxNetwork, task: Task, names: list[str]) -> dict[str, float]:
    """``R^2`` of each prediction on unseen windows."""
    window, target = task.at(config.score_windows, torch.Generator().manual_seed(config.seed))
    found = torch.from_numpy(network(features(window, window.state, window.states).numpy()))
    error = (found - target).square().nanmean(dim=0)
    variance = (target - target.nanmean(dim=0)).square().nanmean(dim=0)
    return {name: round(float(value), 4) for name, value in zip(names, 1.0 - error / variance)}


def main(config: ValueConfig) -> None:
    """Train, resuming from ``run_dir/checkpoint.pt``; publish ``run_dir/artefact`` with its held-out scores.

    Raises :class:`ConfigurationError` when the checkpoint is of another configuration or other data, and for data of
    which no window is followed by enough ticks of the same command.
    """
    datasets, run = begin(config)
    arrays = load_arrays(config.datasets, config.relabel_commands, LABELS)
    check_equal_lengths(arrays, "values")
    gait = list(datasets[0].attributes["gait"])
    training, held_out = split(arrays, config.held_out, config.seed)
    normalizer, names = fit_normalizer(training), [*PREDICTIONS, COST_TO_GO]
    sizes = value_sizes(config.horizon)
    network = ValueMLP(sizes["features"], len(names), config.network.width, config.network.blocks)
    targets = targets_of(training, config.horizon, gait)
    if not np.isfinite(targets).any(axis=(0, 1)).all():
        raise ConfigurationError(
            f"{' '.join(map(str, config.datasets))}: no window is followed by {FEWEST} ticks of the same command"
        )
    unseen = ValueMLP(sizes["features"], len(names))
    judge = Task(
        config,
        TransitionWindows(held_out, config.horizon, normalizer),
        targets_of(held_out, config.horizon, gait),
        unseen,
    )
    task = Task(config, TransitionWindows(training, config.horizon, normalizer), targets, network)
    state = train(config, network, task, run, f"value, {len(task.windows)} windows")
    description = Description(
        config.horizon, normalizer, NoiseSchedule(), predictions={**PREDICTIONS, COST_TO_GO: "m^2/s^2"}
    )
    graph = graph_of(network, sizes, "predictions")
    scores = held_out_scores(config, OnnxNetwork(graph, sizes, "the graph"), judge, names)
    publish_model(config, VALUE, network, description, graph, state, {"r_squared": scores}, datasets)
    print(f"{config.output}: R^2 " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items()))
