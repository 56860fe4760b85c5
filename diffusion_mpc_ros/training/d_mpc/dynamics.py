"""``diffusion-mpc train dynamics``: where actions lead, all ticks of a window at once.

A multi-step diffusion model of the states after F actions that were really executed, noise and falls included. What is
denoised is the change from the first state, each tick and entry by how far it goes in the data. With ``--horizon 1`` it
is a single-step model, which has to be rolled out on its own predictions.

examples:
  diffusion-mpc train dynamics
  diffusion-mpc train dynamics --horizon 1 --run-dir runs/dynamics_single
  diffusion-mpc train dynamics --initial d_mpc --datasets runs/dataset_bags --iterations 2000 --run-dir runs/adapted
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from diffusion_mpc_ros.artefacts.kinds import DYNAMICS, DYNAMICS_NETWORK
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.transition import FIELDS, STATE, STATE_DIM, STATE_FIELDS
from diffusion_mpc_ros.diffusion.conditional import sample
from diffusion_mpc_ros.diffusion.network import OnnxNetwork
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.planners.d_mpc.description import Description, dynamics_sizes
from diffusion_mpc_ros.planners.d_mpc.loading import read_dynamics
from diffusion_mpc_ros.training.d_mpc.denoising import ModelConfig, begin, corrupt, graph_of, publish_model, train
from diffusion_mpc_ros.training.d_mpc.transitions import (
    TransitionWindows,
    Window,
    blur,
    fit_normalizer,
    load_arrays,
    split,
)
from diffusion_mpc_ros.training.networks.conditional_mlp import ConditionalMLP
from diffusion_mpc_ros.training.weights import load_weights

# Ticks at which held-out errors are told.
SCORED_TICKS = (1, 2, 4, 8, 16, 32)
# A change that hardly varies counts as so much of a standard deviation.
MIN_SCALE = 0.02


@dataclass(frozen=True)
class DynamicsConfig(ModelConfig):
    """``diffusion-mpc train dynamics``.

    ``steps``: noise levels K. ``initial``: an artefact with dynamics, by its name in ``models/`` or its folder, that is
    trained further; normaliser, scale, horizon and network are then its own.
    """

    run_dir: Path = Path("runs/dynamics")
    seed: int = 22
    steps: int = 10
    initial: str = ""
    # No command is read.
    relabel_commands: bool = False


def conditions(window: Window, state: torch.Tensor) -> torch.Tensor:
    """What dynamics are given, in the order of :class:`planners.d_mpc.models.Dynamics`."""
    return torch.cat([state, window.previous, window.executed.flatten(1)], dim=1)


class Task:
    """Draws training batches of dynamics."""

    def __init__(self, config: DynamicsConfig, windows: TransitionWindows, description: Description) -> None:
        self.config, self.windows, self.schedule = config, windows, description.schedule
        self.scale = torch.tensor(description.scale, dtype=torch.float32)

    def changes(self, window: Window, state: torch.Tensor) -> torch.Tensor:
        """Target ``(B, F * 34)``: the change from ``state (B, 34)``, as it is seen, in units of the scale."""
        return ((window.states - state[:, None]) / self.scale).flatten(1)

    def __call__(self, generator: torch.Generator) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], torch.Tensor]:
        """See :func:`denoising.train`."""
        config = self.config
        window = self.windows.draw(config.batch, generator)
        std = self.windows.normalizer.std
        state = blur(window.state, std, config.velocity_noise, config.height_noise, generator)
        target = self.changes(window, state)
        noisy, level = corrupt(target, self.schedule, generator)
        return target, (noisy, level, conditions(window, state)), torch.ones(1)


def held_out_scores(
    task: Task, description: Description, network: OnnxNetwork, windows: TransitionWindows
) -> dict[str, dict[str, dict[str, float]]]:
    """Root mean square errors on unseen windows, by steps, field of the state, and ticks ahead; physical units."""
    config, rows = task.config, description.rows
    window = windows.draw(config.score_windows, torch.Generator().manual_seed(config.seed))
    condition = conditions(window, window.state).numpy()
    target = task.changes(window, window.state).numpy()
    noise = np.random.default_rng(config.seed).standard_normal(target.shape)
    scale = description.scale * description.normalizer.std[STATE]
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for steps in (1, 2, 3, config.steps):
        begin_at = noise if steps > 1 else np.zeros_like(noise)
        found = sample(network, description.schedule, begin_at, condition, min(steps, config.steps))
        squared = (scale * (found - target).reshape(-1, rows, STATE_DIM)) ** 2
        scores[f"{steps} steps"] = {
            name: {
                str(ticks): float(np.sqrt(squared[:, ticks - 1, FIELDS[name]].mean()))
                for ticks in SCORED_TICKS
                if ticks <= rows
            }
            for name in STATE_FIELDS
        }
    return scores


def main(config: DynamicsConfig) -> None:
    """Train, resuming from ``run_dir/checkpoint.pt``; publish ``run_dir/artefact`` with its held-out scores.

    Raises :class:`ConfigurationError` when the checkpoint is of another configuration, initial artefact or other data.
    """
    initial = read_dynamics(model_folder(config.initial)) if config.initial else None
    datasets, run = begin(config, initial_sha256=initial[0].identity if initial else "")
    training, held_out = split(load_arrays(config.datasets, config.relabel_commands), config.held_out, config.seed)
    rows = initial[1].rows if initial else config.horizon
    normalizer = initial[1].normalizer if initial else fit_normalizer(training)
    windows, unseen = (TransitionWindows(arrays, rows, normalizer) for arrays in (training, held_out))
    description = initial[1] if initial else Description(
        rows, normalizer, NoiseSchedule(config.steps),
        scale=np.maximum(windows.changes(8192, torch.Generator().manual_seed(config.seed)), MIN_SCALE),
    )  # fmt: skip
    sizes = dynamics_sizes(rows)
    shape = initial[0].networks[DYNAMICS_NETWORK] if initial else vars(config.network)
    network = ConditionalMLP(sizes["noisy"], sizes["condition"], **shape)
    if initial:
        load_weights(network, initial[0], DYNAMICS_NETWORK).train()
    task = Task(config, windows, description)
    state = train(config, network, task, run, f"dynamics, {len(windows)} windows")
    graph = graph_of(network, sizes, "x0")
    scores = held_out_scores(task, description, OnnxNetwork(graph, sizes, "the graph"), unseen)
    publish_model(
        config, DYNAMICS, network, description, graph, state, {"held_out": scores}, datasets,
        initial_sha256=initial[0].identity if initial else "",
    )  # fmt: skip
    for steps, fields in scores.items():
        for name, errors in fields.items():
            print(f"{steps}, {name}: " + ", ".join(f"{value:.4f} after {ticks}" for ticks, value in errors.items()))
