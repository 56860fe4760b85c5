"""``diffusion-mpc train walks``: a dataset of what robots did under D-MPC, as built or with a hidden change.

The demonstrator answers what it sees, so its actions tell what happened to it, and not only what they did. A planner's
actions were chosen before: ``replan`` ticks of each plan are executed without looking. From them dynamics learn what
actions do. With ``change`` it stands for a bag of such a robot; velocity and height are true, not estimated.

examples:
  diffusion-mpc train walks
  diffusion-mpc train walks --robots 8 --ticks 200 --parts 1 --output runs/quick
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.planners.d_mpc.settings import DMpcSettings
from diffusion_mpc_ros.planners.registry import best_level
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, BatchController
from diffusion_mpc_ros.policies.conditions import Condition, MixedSimulation
from diffusion_mpc_ros.simulation.changes import changed_model
from diffusion_mpc_ros.training.action_noise import ActionNoise
from diffusion_mpc_ros.training.dataset import TrajectoryDataset
from diffusion_mpc_ros.training.finetuning.actors import ControllerActor
from diffusion_mpc_ros.training.finetuning.rollouts import Rollouts, roll_out
from diffusion_mpc_ros.training.runs import configuration_json
from diffusion_mpc_ros.training.velocity_commands import CommandRanges

# Of a rollout, what is stored.
ARRAYS = ("observation", "action", "executed", "fresh", "base_lin_vel", "base_height")


@dataclass(frozen=True)
class WalksConfig:
    """``diffusion-mpc train walks``: ``robots`` x ``ticks`` control ticks, in parts.

    ``artefact`` of the planner, which compares ``candidates``; ``change``: one of :data:`simulation.changes.CHANGES`,
    "" for none. Plans are executed ``delay`` ticks late, for ``replan`` ticks. Pushes of up to ``push_speed`` [m/s],
    0 for none, every ``push_ticks``.
    """

    artefact: str = "d_mpc"
    candidates: int = 1
    change: str = ""
    output: Path = Path("runs/dataset_walks")
    seed: int = 600011
    threads: int = 1
    parts: int = 1
    robots: int = 100
    ticks: int = 1000
    horizon: int = 11
    delay: int = 0
    replan: int = 8
    push_ticks: int = 150
    push_speed: float = 0.0
    noise: ActionNoise = field(default_factory=lambda: ActionNoise(clean=1.0))
    commands: CommandRanges = field(
        default_factory=lambda: CommandRanges(standing=0.1, slow_starts=0.6, resample_ticks=(60, 250))
    )

    def __post_init__(self) -> None:
        for name in ("candidates", "parts", "robots", "ticks", "push_ticks"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def timing(self) -> Timing:
        """When it plans."""
        return Timing(self.horizon, self.delay, self.replan)


def walk(config: WalksConfig, controller: BatchController, seed: int) -> Rollouts:
    """Walk a part, drawn by ``seed``."""
    pushed = Condition("pushed", push_speed=config.push_speed, push_ticks=config.push_ticks)
    simulation = MixedSimulation(
        [(pushed, config.robots)], seed=seed, threads=config.threads, model=changed_model(config.change)
    )
    rng = np.random.default_rng(seed + 1)
    return roll_out(ControllerActor(controller), simulation, config, rng, config.change or "walk")


def main(config: WalksConfig) -> None:
    """Walk the parts that are missing from ``output``; raises :class:`ConfigurationError` as TrajectoryDataset does."""
    settings = replace(DMpcSettings(), artefact=config.artefact, candidates=config.candidates, seed=config.seed)
    planner = best_level("d_mpc", settings, config.timing)
    attributes = configuration_json(replace(config, output=Path(), threads=1, parts=1))
    dataset = TrajectoryDataset(config.output, {**attributes, "planner": planner.identity})
    while dataset.parts < config.parts:
        controller = AsynchronousController(planner, latency_ticks=config.delay)
        rollouts = walk(config, controller, config.seed + 1000 * dataset.parts)
        dataset.append({name: getattr(rollouts, name) for name in ARRAYS})
        print(f"{config.output}: part {dataset.parts} of {config.parts}, {rollouts.falls()} falls")
