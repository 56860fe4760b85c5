"""The same robots walking the same commands under different rewards and constraints, in the batch simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RewardSettings, Timing
from diffusion_mpc_ros.diffusion.inference import choose_backend
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, BatchController
from diffusion_mpc_ros.policies.comparison import RobotScores
from diffusion_mpc_ros.policies.demonstrator import DemonstratorWalker, GaitPolicy
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.policies.scoring import MakeMeter, PenaltyMeter, score_walk
from diffusion_mpc_ros.simulation.batch import BatchSimulation

# So many robots walk side by side: a hundred candidates for each still fit into memory. The robots of a group and their
# noise depend on it.
GROUP = 50


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """Which robots walk, how far, and in which loop."""

    artefact: str = "go2"
    """Model artefact: its name in models/, or a path to its folder."""
    robots: int = 24
    """Robots, each with its own command, initial pose and noise."""
    ticks: int = 400
    """Control ticks that they walk; the first 100 do not count."""
    timing: tuple[int, int] = (Timing().replan_margin, Timing().replan_interval)
    """Replan margin D and replan interval R [ticks]."""
    forward: tuple[float, float] = (0.3, 1.0)
    """Range of the forward velocity commands [m/s]; each robot keeps its own."""
    survivors: float = SamplingOptions.survivors
    """Share of the candidates that goes on where they are resampled; 1: all of them, as in the paper."""
    seed: int = 0
    """Seed of commands, robots, sampling noise and bootstrap."""
    threads: int = 2
    """Threads of the simulator and of the planner."""
    backend: str = "auto"
    """Inference backend: auto, onnxruntime, openvino."""

    def __post_init__(self) -> None:
        for name in ("robots", "ticks", "threads"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {getattr(self, name)}")
        low, high = self.forward
        if not (np.isfinite(self.forward).all() and low <= high):
            raise ConfigurationError(f"forward needs a range LOW <= HIGH [m/s], got {low} {high}")
        choose_backend(self.backend)
        SamplingOptions(survivors=self.survivors)

    def commands(self) -> np.ndarray:
        """Velocity commands ``(robots, 3)`` (vx, vy [m/s], yaw rate [rad/s]): forward, uniform in the range."""
        commands = np.zeros((self.robots, 3))
        commands[:, 0] = np.random.default_rng(self.seed).uniform(*self.forward, size=self.robots)
        return commands

    def head(self, artefact: Prior, **settings: Any) -> dict[str, Any]:
        """What all rows of a report have in common: ``artefact`` (SHA-256) and ``config``."""
        names = ("robots", "ticks", "timing", "forward", "survivors", "seed")
        config = {name: getattr(self, name) for name in names}
        sampling = {"sampler": SamplingOptions.sampler, "steps": SamplingOptions.steps}
        config = {**config, "backend": choose_backend(self.backend), **sampling, **settings}
        return {"artefact": artefact.identity, "config": config}


@dataclass(frozen=True, kw_only=True)
class TableConfig(LoopConfig):
    """One table, all rows with the same number of candidates, and where it goes."""

    candidates: int = 10
    """Candidates N."""
    json: Path | None = None
    """Write the report to this file after every row; rows that it holds already are kept."""
    markdown: Path | None = None
    """Write the table to this file."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.candidates < 1:
            raise ConfigurationError(f"candidates must be at least 1, got {self.candidates}")


def planning_controller(
    config: LoopConfig,
    artefact: Prior,
    settings: Callable[[int], RewardSettings],
    *,
    candidates: int,
    reward: bool,
    seed: int,
) -> AsynchronousController:
    """The planner in the loop of ``config``, under the ``settings`` of each tick.

    Without ``reward`` they rank the candidates but do not guide the sampling.
    """
    sampling = SamplingOptions(
        candidates=candidates, guidance_scale=1.0 if reward else 0.0, survivors=config.survivors, seed=seed
    )
    timing = Timing(artefact.description.horizon, *config.timing)
    planner_config = DiffusionMpcConfig(timing, sampling, threads=config.threads, backend=config.backend)
    return AsynchronousController(DiffusionMpcPlanner(artefact, planner_config), settings)


class Walks:
    """Runs of the robots of ``config``; :attr:`unplanned` is made when it is first asked for.

    ``measures``: what ``make_meter`` is to measure; for the default one, penalties by objective.
    """

    def __init__(
        self,
        config: LoopConfig,
        artefact: Prior,
        measures: Mapping[str, Any],
        make_meter: MakeMeter = PenaltyMeter,
    ) -> None:
        self._config, self._artefact, self._measures, self._make_meter = config, artefact, measures, make_meter
        self._of_policies: dict[GaitPolicy, RobotScores] = {}

    @cached_property
    def unplanned(self) -> RobotScores:
        """The prior alone: one candidate, no reward, no constraint (the paper's Diffusion Policy)."""
        return self.run(RewardSettings(), candidates=1, reward=False, label="no planning")

    def run(self, settings: RewardSettings, *, candidates: int, reward: bool, label: str) -> RobotScores:
        """Walk under ``settings``; ``reward``: see :func:`planning_controller`."""

        def planning(robots: int, seed: int) -> AsynchronousController:
            return planning_controller(
                self._config, self._artefact, lambda tick: settings, candidates=candidates, reward=reward, seed=seed
            )

        return self._run_groups(planning, label)

    def run_policy(self, policy: GaitPolicy, label: str) -> RobotScores:
        """Walk under ``policy`` in the default gait, called at every tick and without delay; walked once."""
        if policy not in self._of_policies:
            self._of_policies[policy] = self._run_groups(
                lambda robots, seed: DemonstratorWalker(policy, GaitCommand.default(robots)), label
            )
        return self._of_policies[policy]

    def _run_groups(self, make_controller: Callable[[int, int], BatchController], label: str) -> RobotScores:
        """``make_controller(robots, seed)`` for each group of robots."""
        config, parts = self._config, []
        for start in range(0, config.robots, GROUP):
            commands, seed = config.commands()[start : start + GROUP], config.seed + start
            simulation = BatchSimulation(len(commands), seed=seed, threads=config.threads)
            controller = make_controller(len(commands), seed)
            parts.append(
                score_walk(controller, simulation, commands, config.ticks, self._measures, label, self._make_meter)
            )
        return RobotScores.concatenate(parts)
