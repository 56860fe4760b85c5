"""``diffusion-mpc train bags``: bags of robots that walked become a dataset that `train pretrain` learns from.

Its trajectories are the stretches that `bag check` calls fit, each of its own length. The action of a row is the joint
target that was sent, its command the one that the followed plan was made for. Beside the rows it holds what a robot can
know of how it did: ``base_lin_vel (L, 3)`` [m/s] and ``base_height (L,)`` [m] as estimated, ``joint_torque (L, 12)``
[N m], ``mechanical_power (L,)`` [W], and ``failed (L,)``, True at the last tick before a fall or the operator's stop.

examples:
  diffusion-mpc train bags walk_1.mcap walk_2.mcap --output runs/dataset_bags
  diffusion-mpc train pretrain --initial go2 --datasets runs/dataset_bags --no-relabel-commands
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from diffusion_mpc_ros.bags.bag import Bag, load
from diffusion_mpc_ros.bags.episodes import SHORTEST, Episode, read_episodes
from diffusion_mpc_ros.core.errors import BagError, ConfigurationError
from diffusion_mpc_ros.core.files import file_sha256
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.training.dataset import FORMAT, OWN_LENGTHS, TrajectoryDataset


@dataclass(frozen=True)
class BagsConfig:
    """Which bags, and where to; ``weight``: how much their trajectories count beside those of other datasets."""

    bags: tyro.conf.Positional[tuple[Path, ...]]
    output: Path = Path("runs/dataset_bags")
    namespace: str | None = None
    shortest: int = SHORTEST
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.bags:
            raise ConfigurationError("no bag is named: there is nothing to learn from")
        if not 0.0 < self.weight < np.inf:
            raise ConfigurationError(f"weight must be finite and above 0, got {self.weight}")


def trajectory(episode: Episode) -> dict[str, np.ndarray]:
    """Return the arrays ``(L, ...)`` of a dataset's trajectory."""
    fresh = np.arange(len(episode)) == 0
    failed = np.zeros(len(episode), dtype=bool)
    failed[-1] = episode.ending.fell or episode.ending.stopped
    return {
        "observation": episode.observation,
        "action": episode.action,
        "executed": episode.action,
        "fresh": fresh,
        "base_lin_vel": episode.states.base_lin_vel,
        "base_height": np.asarray(episode.states.base_height),
        "joint_torque": episode.states.joint_torque,
        "mechanical_power": episode.mechanical_power,
        "failed": failed,
    }


def hashes(path: Path) -> list[str]:
    """SHA-256 of each file of a bag."""
    return [file_sha256(file) for file in ([path] if path.is_file() else sorted(path.glob("*.mcap")))]


def check_made_of(dataset: TrajectoryDataset, bags: Sequence[Path]) -> None:
    """Raise ConfigurationError unless ``dataset`` was made of these bags, in any order."""
    sources = dataset.attributes.get("bags", [])
    known = sorted(sha256 for source in sources for sha256 in source["sha256"])
    if known != sorted(sha256 for path in bags for sha256 in hashes(path)):
        raise ConfigurationError(
            f"{dataset.path} was made of {', '.join(source['name'] for source in sources) or 'no bags'}, and not of "
            f"{', '.join(map(str, bags))}: name another folder, or remove it"
        )


def describe(path: Path, bag: Bag) -> dict[str, Any]:
    """Return what the dataset says of a bag that it was made from."""
    manifest = bag.manifest
    return {
        "name": path.name,
        "sha256": hashes(path),
        "robot": manifest.robot if manifest else "",
        "artefacts": sorted({recorded.artefact for recorded in bag.plans}),
    }


def collect(config: BagsConfig) -> tuple[list[Episode], list[dict[str, Any]]]:
    """Return the episodes of all bags, and what is said of each bag; raises BagError, which names the bag."""
    episodes: list[Episode] = []
    sources: list[dict[str, Any]] = []
    for path in config.bags:
        bag = load(path, config.namespace)
        found = read_episodes(bag, config.shortest)
        print(f"{path}: {_summary(found)}{'; it is damaged' if bag.damage else ''}")
        episodes += found
        sources.append(describe(path, bag))
    named = [sha256 for source in sources for sha256 in source["sha256"]]
    if len(set(named)) < len(named):
        raise BagError(f"a bag is named twice: {', '.join(map(str, config.bags))}")
    return episodes, sources


def main(config: BagsConfig) -> None:
    """Write the dataset; raises ConfigurationError where there is one already, BagError for a bag that is not fit."""
    episodes, sources = collect(config)
    attributes = {FORMAT: OWN_LENGTHS, "bags": sources, "shortest": config.shortest, "weight": config.weight}
    dataset = TrajectoryDataset(config.output, attributes)
    if dataset.parts:
        raise ConfigurationError(f"{config.output} holds these bags already: name another folder, or remove it")
    dataset.append_trajectories([trajectory(episode) for episode in episodes], [config.weight] * len(episodes))
    print(f"{config.output}: {_summary(episodes)}")


def _summary(episodes: Sequence[Episode]) -> str:
    ticks, failed = sum(map(len, episodes)), sum(each.ending.fell or each.ending.stopped for each in episodes)
    return f"{ticks * CONTROL_DT:.1f} s in {len(episodes)} trajectories, {failed} of them ended by a fall or a stop"
