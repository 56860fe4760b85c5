"""``diffusion-mpc adapt dynamics``: the dynamics of a D-MPC artefact, trained further on what a robot did.

Proposals and value stay as they are (arXiv 2410.05364, section 3.4): minutes of walking say what this robot does under
its actions, not what would be better to do. Old data is replayed beside the new, averaged weights are taken. The new
artefact is published only where its dynamics predict unseen stretches of the robot better, the old data not much worse.

examples:
  diffusion-mpc adapt dynamics --bags walk.mcap --replay runs/dataset_dynamics --adapted models/d_mpc_new
  diffusion-mpc artefact load d_mpc_new                    # while the robot walks
  diffusion-mpc adapt dynamics --bags walk.mcap --minutes 5 --adapted models/d_mpc_new
  diffusion-mpc adapt dynamics --datasets runs/walks_payload --replay runs/dataset_dynamics --run-dir runs/payload
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from diffusion_mpc_ros.artefacts.kinds import D_MPC, DYNAMICS, DYNAMICS_NETWORK
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.conditional import sample
from diffusion_mpc_ros.diffusion.network import OnnxNetwork
from diffusion_mpc_ros.planners.d_mpc.description import Description, dynamics_sizes
from diffusion_mpc_ros.planners.d_mpc.loading import read_dynamics
from diffusion_mpc_ros.training import bags
from diffusion_mpc_ros.training.bags import BagsConfig
from diffusion_mpc_ros.training.d_mpc import release
from diffusion_mpc_ros.training.d_mpc.denoising import begin, graph_of, publish_model, train
from diffusion_mpc_ros.training.d_mpc.dynamics import DynamicsConfig, Task, conditions
from diffusion_mpc_ros.training.d_mpc.release import ReleaseConfig
from diffusion_mpc_ros.training.d_mpc.transitions import Arrays, TransitionWindows, load_arrays, split, stretches
from diffusion_mpc_ros.training.dataset import WEIGHT, TrajectoryDataset, window_starts
from diffusion_mpc_ros.training.networks.conditional_mlp import ConditionalMLP
from diffusion_mpc_ros.training.pretrain import join
from diffusion_mpc_ros.training.weights import load_weights

# Ticks of what is learnt from, or judged by, in one piece.
STRETCH = 250


@dataclass(frozen=True)
class AdaptConfig(DynamicsConfig):
    """``diffusion-mpc adapt dynamics``.

    ``initial``: the artefact that is adapted. ``bags``: recordings of the robot; or ``datasets`` of it. ``minutes``:
    from the first so many of them; None: from all. ``replay``: the data that ``initial`` was trained on,
    ``replay_share`` of each batch. ``forgetting``: by what share of itself the error on that data may grow.
    ``adapted``: folder of the new artefact; by default ``run_dir/d_mpc``.
    """

    initial: str = "d_mpc"
    run_dir: Path = Path("runs/adapted")
    bags: tuple[Path, ...] = ()
    datasets: tuple[Path, ...] = ()
    minutes: float | None = None
    replay: tuple[Path, ...] = (Path("runs/dataset_dynamics"),)
    replay_share: float = 0.3
    forgetting: float = 0.1
    adapted: Path | None = None
    iterations: int = 1500
    learning_rate: float = 3e-4
    warmup: int = 100
    ema: float = 0.99
    held_out: float = 0.2
    seed: int = 31

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.replay_share < 1.0:
            raise ConfigurationError(f"replay_share must be a share from 0 to below 1, got {self.replay_share}")
        if self.replay_share and not self.replay:
            raise ConfigurationError("replay names no dataset: name what it was trained on, or set replay_share to 0")
        if self.minutes is not None and not 0.0 < self.minutes < np.inf:
            raise ConfigurationError(f"minutes {self.minutes} is not a positive time")

    @property
    def new_artefact(self) -> Path:
        """Where the artefact with the adapted dynamics goes."""
        return self.adapted or self.run_dir / "d_mpc"


def weighted(new: Arrays, old: Arrays | None, share: float, rows: int) -> Arrays:
    """Both together; ``share`` of the windows of ``rows`` ticks that are drawn is ``old``."""
    if old is None or not share:
        return new
    counts = [len(window_starts(each["fresh"], rows + 1)) for each in (new, old)]
    if not all(counts):
        raise ConfigurationError(f"no trajectory has {rows + 1} ticks to learn from")
    factor = share / (1.0 - share) * counts[0] / counts[1]
    return join([new, {**old, WEIGHT: np.asarray(old[WEIGHT]) * factor}])


def prediction_error(
    description: Description, network: OnnxNetwork, windows: TransitionWindows, count: int, seed: int
) -> float:
    """Root mean square error of the mean prediction, in units of how far states get in the data."""
    window = windows.draw(count, torch.Generator().manual_seed(seed))
    condition = conditions(window, window.state).numpy()
    target = ((window.states - window.state[:, None]).numpy() / description.scale).reshape(len(condition), -1)
    found = sample(network, description.schedule, np.zeros(target.shape), condition, 1)
    return float(np.sqrt(np.mean((found - target) ** 2)))


def check_better(errors: dict[str, dict[str, float]], forgetting: float) -> None:
    """Raise :class:`ArtefactError` unless the new robot is predicted better, the old data not much worse.

    ``errors``: on the data "new" and "old", each ``before`` and ``after``.
    """
    new, old = errors["new"], errors.get("old")
    if not new["after"] < new["before"]:
        raise ArtefactError(
            f"the adapted dynamics predict unseen stretches of this robot no better (error {new['after']:.4f}, before "
            f"{new['before']:.4f}): nothing is published; more data is what helps"
        )
    if old is not None and not old["after"] <= (1.0 + forgetting) * old["before"]:
        raise ArtefactError(
            f"the adapted dynamics predict the old data worse by more than {forgetting:.0%} (error {old['after']:.4f}, "
            f"before {old['before']:.4f}): nothing is published; raise replay_share or forgetting"
        )


def main(config: AdaptConfig) -> None:
    """Adapt, resuming from ``run_dir/checkpoint.pt``; publish the dynamics, and the artefact that they are part of.

    Raises :class:`ConfigurationError` for a checkpoint of another configuration, and :class:`ArtefactError`, with
    nothing published, where the held-out check is not passed.
    """
    if bool(config.bags) == bool(config.datasets):
        raise ConfigurationError("either bags or datasets of the robot are needed, and not both")
    artefact, description = read_dynamics(model_folder(config.initial))
    if artefact.kind is not D_MPC:
        raise ConfigurationError(f"the artefact {config.initial} is a {artefact.kind.name}; a {D_MPC.name} is adapted")
    if config.bags:
        config = replace(config, bags=(), datasets=(_dataset_of(config),))
    datasets, run = begin(config, initial_sha256=artefact.identity)
    rows, normalizer, seed = description.rows, description.normalizer, config.seed
    new, unseen = split(of_the_robot(config), config.held_out, seed)
    old, kept = (None, None)
    if config.replay_share:
        old, kept = split(load_arrays(config.replay, relabel=False), config.held_out, seed)
    judges = {"new": TransitionWindows(unseen, rows, normalizer)}
    if kept is not None:
        judges["old"] = TransitionWindows(kept, rows, normalizer)
    windows = TransitionWindows(weighted(new, old, config.replay_share, rows), rows, normalizer)
    sizes = dynamics_sizes(rows)
    network = ConditionalMLP(sizes["noisy"], sizes["condition"], **artefact.networks[DYNAMICS_NETWORK])
    load_weights(network, artefact, DYNAMICS_NETWORK).train()
    before = OnnxNetwork(artefact.graphs[DYNAMICS.main], sizes, config.initial)
    state = train(config, network, Task(config, windows, description), run, f"adapt, {len(windows)} windows")
    graph = graph_of(network, sizes, "x0")
    after = OnnxNetwork(graph, sizes, "the adapted graph")
    errors = {
        name: {
            when: prediction_error(description, each, judge, config.score_windows, seed)
            for when, each in (("before", before), ("after", after))
        }
        for name, judge in judges.items()
    }
    for name, found in errors.items():
        print(f"held-out error on the {name} data: {found['before']:.4f} before, {found['after']:.4f} after")
    check_better(errors, config.forgetting)
    publish_model(
        config, DYNAMICS, network, description, graph, state, {"adapted": errors}, datasets,
        initial_sha256=artefact.identity,
    )  # fmt: skip
    whole = str(artefact.path)
    release.main(ReleaseConfig(whole, str(config.output), whole, config.new_artefact))


def of_the_robot(config: AdaptConfig) -> Arrays:
    """What the robot did, in stretches of :data:`STRETCH` ticks."""
    most = None if config.minutes is None else round(60.0 * config.minutes / CONTROL_DT)
    return stretches(load_arrays(config.datasets, relabel=False), STRETCH, most)


def _dataset_of(config: AdaptConfig) -> Path:
    """The dataset of the bags, made where it is not there yet; one of other bags is refused."""
    folder = config.run_dir / "data"
    if (folder / "part_0000.npz").exists():
        bags.check_made_of(TrajectoryDataset.open(folder), config.bags)
    else:
        bags.main(BagsConfig(config.bags, folder))
    return folder
