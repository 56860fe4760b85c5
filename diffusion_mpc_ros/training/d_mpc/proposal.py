"""``diffusion-mpc train proposal``: what D-MPC proposes to do, action sequences given state and command.

A multi-step diffusion model of the demonstrator's clean actions, in windows with little noise: the noise before a
window says how to come back, noise that is still to come says nothing. Up to ``committed_max`` leading actions are
given instead of noised, as a planner has them that plans while older plans are executed.

examples:
  diffusion-mpc train proposal
  diffusion-mpc train proposal --datasets runs/dataset_dynamics --iterations 2000 --run-dir runs/quick
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from diffusion_mpc_ros.artefacts.kinds import PROPOSAL
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.transition import ACTION
from diffusion_mpc_ros.diffusion.conditional import sample
from diffusion_mpc_ros.diffusion.network import OnnxNetwork
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.planners.d_mpc.description import Description, proposal_sizes
from diffusion_mpc_ros.training.d_mpc.denoising import ModelConfig, begin, corrupt, graph_of, publish_model, train
from diffusion_mpc_ros.training.d_mpc.transitions import (
    TransitionWindows,
    Window,
    blur,
    fit_normalizer,
    load_arrays,
    settled_windows,
    split,
)
from diffusion_mpc_ros.training.networks.conditional_mlp import ConditionalMLP


@dataclass(frozen=True)
class ProposalConfig(ModelConfig):
    """``diffusion-mpc train proposal``.

    ``steps``: noise levels K. ``committed``: share of the windows with given actions. ``action_noise`` [rad]: root mean
    square of the noise that a window may hold. ``walk_starts``: share of windows in which a robot that stood starts.
    """

    run_dir: Path = Path("runs/proposal")
    seed: int = 21
    steps: int = 10
    committed: float = 0.65
    committed_max: int = 6
    action_noise: float = 0.03
    walk_starts: float = 0.05


def conditions(window: Window, state: torch.Tensor, committed: torch.Tensor) -> torch.Tensor:
    """What a proposal is given, in the order of :class:`planners.d_mpc.models.Proposals`; ``committed (B, F)`` bool."""
    return torch.cat([state, window.previous, window.command, committed.float()], dim=1)


class Task:
    """Draws training batches of proposals."""

    def __init__(self, config: ProposalConfig, windows: TransitionWindows) -> None:
        self.config, self.windows, self.schedule = config, windows, NoiseSchedule(config.steps)

    def committed(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        """Which actions of windows ``(B, F)`` are given: none, or the first 1 to ``committed_max``."""
        config = self.config
        count = torch.randint(1, min(config.committed_max, config.horizon) + 1, (batch, 1), generator=generator)
        count = count * (torch.rand(batch, 1, generator=generator) < config.committed)
        return torch.arange(config.horizon) < count

    def __call__(self, generator: torch.Generator) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], torch.Tensor]:
        """See :func:`denoising.train`."""
        config = self.config
        window = self.windows.draw(config.batch, generator)
        std = self.windows.normalizer.std
        state = blur(window.state, std, config.velocity_noise, config.height_noise, generator)
        committed = self.committed(len(state), generator)
        noisy, level = corrupt(window.clean.flatten(1), self.schedule, generator)
        known = committed.repeat_interleave(NUM_JOINTS, dim=1)
        noisy = torch.where(known, window.executed.flatten(1), noisy)
        inputs = noisy, level, conditions(window, state, committed)
        return window.clean.flatten(1), inputs, (~known).float()


def held_out_scores(
    config: ProposalConfig, description: Description, network: OnnxNetwork, windows: TransitionWindows
) -> dict[str, float]:
    """Errors [rad, root mean square] of proposals on unseen windows against what the demonstrator did.

    ``mean_error`` of the mean, ``sample_error`` of one sample by three steps, ``spread`` of samples round their mean,
    ``best_of_16_error`` of the closest of 16.
    """
    generator = torch.Generator().manual_seed(config.seed)
    window = windows.draw(config.score_windows // 8, generator)
    committed = torch.zeros(len(window.state), config.horizon, dtype=torch.bool)
    condition = conditions(window, window.state, committed).numpy()
    std, target = description.normalizer.std[ACTION], window.clean.numpy()
    rng = np.random.default_rng(config.seed)

    def error(noise: np.ndarray, steps: int) -> np.ndarray:
        flat = sample(network, description.schedule, noise, condition, steps)
        return std * (flat.reshape(target.shape) - target)

    shape = len(target), config.horizon * NUM_JOINTS
    mean = error(np.zeros(shape), 1)
    samples = np.stack([error(rng.standard_normal(shape), 3) for _ in range(16)])
    root = lambda values: float(np.sqrt(np.mean(values)))  # noqa: E731
    return {
        "mean_error": root(mean**2),
        "sample_error": root(samples[0] ** 2),
        "spread": root((samples - samples.mean(axis=0)) ** 2),
        "best_of_16_error": root((samples**2).mean(axis=(2, 3)).min(axis=0)),
    }


def main(config: ProposalConfig) -> None:
    """Train, resuming from ``run_dir/checkpoint.pt``; publish ``run_dir/artefact`` with its held-out scores.

    Raises :class:`ConfigurationError` when the checkpoint is of another configuration or other data.
    """
    datasets, run = begin(config)
    training, held_out = split(load_arrays(config.datasets, config.relabel_commands), config.held_out, config.seed)
    normalizer = fit_normalizer(training)
    windows, unseen = (
        TransitionWindows(
            arrays, config.horizon, normalizer, settled_windows(arrays, config.horizon, config.action_noise), share
        )
        for arrays, share in ((training, config.walk_starts), (held_out, 0.0))
    )
    sizes = proposal_sizes(config.horizon)
    network = ConditionalMLP(sizes["noisy"], sizes["condition"], config.network.width, config.network.blocks)
    state = train(config, network, Task(config, windows), run, f"proposal, {len(windows)} windows")
    description = Description(
        config.horizon, normalizer, NoiseSchedule(config.steps), replan_margin=config.committed_max
    )
    graph = graph_of(network, sizes, "x0")
    scores = held_out_scores(config, description, OnnxNetwork(graph, sizes, "the graph"), unseen)
    publish_model(config, PROPOSAL, network, description, graph, state, {"held_out": scores}, datasets)
    print(f"{config.output}: " + ", ".join(f"{name} {value:.4f} rad" for name, value in scores.items()))
