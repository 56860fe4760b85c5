"""Train a prior from nothing: no demonstrator, no PPO.

Open-loop sinusoids of the legs, drawn at random, are labelled with the velocity that they achieved: the first
demonstrations. The prior learns from them, then from what its own planner does, by the loop of `train finetune`
(recipe hindsight); of both only what sways little. RUN_DIR/motions, RUN_DIR/prior and RUN_DIR/loop hold the three
parts; a part that is done is not done again, and the last one publishes RUN_DIR/loop/artefact, which has no reward
model.

examples:
  diffusion-mpc train scratch
  diffusion-mpc train scratch --run-dir runs/scratch_2 --seed 2
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.policies.conditions import FLAT_CONDITION, MixedSimulation
from diffusion_mpc_ros.training import distributed, pretrain, release
from diffusion_mpc_ros.training.dataset import TrajectoryDataset
from diffusion_mpc_ros.training.finetuning import finetune, hindsight
from diffusion_mpc_ros.training.finetuning.configuration import HINDSIGHT, FinetuneConfig, RecipeConfig
from diffusion_mpc_ros.training.finetuning.rollouts import roll_out
from diffusion_mpc_ros.training.finetuning.sinusoids import SinusoidRanges, Sinusoids
from diffusion_mpc_ros.training.pretrain import PretrainConfig
from diffusion_mpc_ros.training.runs import configuration_json
from diffusion_mpc_ros.training.velocity_commands import CommandRanges

# How long a motion stands, or moves, at a time [ticks].
STRETCH = 100


@dataclass(frozen=True)
class ScratchConfig:
    """``diffusion-mpc train scratch``: motions, prior, loop.

    ``motions``: what the sinusoids are drawn from, ``parts`` times ``robots`` of them, ``ticks`` long. ``prior`` and
    ``loop``: settings of `train pretrain` and `train finetune`; their folders, seeds and data follow from here.
    """

    run_dir: Path = Path("runs/scratch")
    seed: int = 1
    motions: SinusoidRanges = field(default_factory=SinusoidRanges)
    parts: int = 4
    robots: int = 256
    ticks: int = 200
    prior: PretrainConfig = field(default_factory=lambda: PretrainConfig(iterations=3000, walk_starts=0.0))
    loop: FinetuneConfig = field(
        default_factory=lambda: FinetuneConfig(guided=0.0, recipe=RecipeConfig(name=HINDSIGHT))
    )


def make_motions(config: ScratchConfig) -> TrajectoryDataset:
    """Roll out the parts that are missing from ``run_dir/motions``, labelled in hindsight.

    Motions that fall, or sway by more than ``loop.recipe.sway``, are left out.
    """
    attributes = {"seed": config.seed, "motions": configuration_json(config.motions),
                  "robots": config.robots, "ticks": config.ticks, "sway": config.loop.recipe.sway}  # fmt: skip
    dataset = TrajectoryDataset(config.run_dir / "motions", attributes)
    # The command only tells who moves; hindsight then says what was done. Who never saw a start would go on standing.
    moving = CommandRanges(standing=0.3, single_axis=0.7, resample_ticks=(STRETCH, STRETCH + 1))
    rolled = replace(config.loop, robots=config.robots, ticks=config.ticks, commands=moving)
    for part in tqdm(range(dataset.parts, config.parts), unit="part", desc="motions"):
        rng = np.random.default_rng([config.seed, part])
        simulation = MixedSimulation([(FLAT_CONDITION, config.robots)], seed=int(rng.integers(2**31)))
        motions = Sinusoids(config.robots, config.motions, rng)
        rollouts = roll_out(motions, simulation, rolled, rng)
        even = ~rollouts.fell.any(axis=1) & (hindsight.sway(rollouts).max(axis=1) <= config.loop.recipe.sway)
        dataset.append({
            "observation": hindsight.relabelled(rollouts)[even],
            "action": rollouts.action[even],
            "executed": rollouts.executed[even],
            "fresh": rollouts.fresh[even],
        })  # fmt: skip
    return dataset


@distributed.joined()
def main(config: ScratchConfig) -> int:
    """Make what is missing of motions, prior and loop, one after the other; see :mod:`scratch`. The loop's status."""
    motions = distributed.from_first(lambda: make_motions(config).path)
    prior = replace(
        config.prior, datasets=(motions,), relabel_commands=False, run_dir=config.run_dir / "prior", seed=config.seed
    )
    artefact = prior.run_dir / "artefact"
    # One that is finished is not trained again, but settings that it was not made by are refused.
    pretrain.main(prior)
    if not distributed.from_first(artefact.is_dir):
        exported = release.ExportConfig(run_dir=prior.run_dir, reward_model="", output=artefact)
        distributed.from_first(lambda: release.main(exported))
    loop = dataclasses.replace(
        config.loop, initial=str(artefact), replay=(motions,), relabel_replay=False,
        run_dir=config.run_dir / "loop", seed=config.seed,
    )  # fmt: skip
    return finetune.main(loop)
