"""The same robots walking the same commands under different rewards and constraints, in the batch simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RewardSettings, Timing
from diffusion_mpc_ros.diffusion.artefact import Artefact
from diffusion_mpc_ros.diffusion.inference import choose_backend
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation.adaptation.comparison import RobotScores
from diffusion_mpc_ros.evaluation.adaptation.objectives import TickPenalty
from diffusion_mpc_ros.evaluation.closed_loop import SETTLING_TICKS, AsynchronousController, run_closed_loop
from diffusion_mpc_ros.planners.diffusion_mpc import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.realtime.measurement import TRACKING_WIDTH
from diffusion_mpc_ros.simulation.batch import BatchSimulation, BatchState

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

    def commands(self) -> np.ndarray:
        """Velocity commands ``(robots, 3)`` (vx, vy [m/s], yaw rate [rad/s]): forward, uniform in the range."""
        commands = np.zeros((self.robots, 3))
        commands[:, 0] = np.random.default_rng(self.seed).uniform(*self.forward, size=self.robots)
        return commands

    def head(self, artefact: Artefact, **settings: Any) -> dict[str, Any]:
        """What all rows of a report have in common: ``artefact`` (SHA-256) and ``config``."""
        names = ("robots", "ticks", "timing", "forward", "seed")
        config = {name: getattr(self, name) for name in names}
        sampling = {"sampler": SamplingOptions.sampler, "steps": SamplingOptions.steps}
        config = {**config, "backend": choose_backend(self.backend), **sampling, **settings}
        return {"artefact": artefact.identity, "config": config}


class PenaltyMeter:
    """Each robot's mean penalties from control tick ``first`` on."""

    def __init__(self, penalties: Mapping[str, TickPenalty], initial: BatchState, first: int) -> None:
        self._penalties, self._before, self._first, self._ticks = penalties, initial, first, 0
        self._sums = {name: np.zeros(len(initial.joint_pos)) for name in penalties}

    def add(self, now: BatchState) -> None:
        """Count the tick that led to the state ``now``."""
        if self._ticks >= self._first:
            for name, penalty in self._penalties.items():
                self._sums[name] += penalty(self._before, now)
        self._before, self._ticks = now, self._ticks + 1

    def means(self) -> dict[str, np.ndarray]:
        """By objective, ``(B,)``."""
        return {name: total / (self._ticks - self._first) for name, total in self._sums.items()}


class Walks:
    """Runs of the robots of ``config``; :attr:`unplanned` is made when it is first asked for.

    ``penalties``: what is measured, by objective.
    """

    def __init__(self, config: LoopConfig, artefact: Artefact, penalties: Mapping[str, TickPenalty]) -> None:
        self._config, self._artefact, self._penalties = config, artefact, penalties

    @cached_property
    def unplanned(self) -> RobotScores:
        """The prior alone: one candidate, no reward, no constraint (the paper's Diffusion Policy)."""
        return self.run(RewardSettings(), candidates=1, reward=False, label="no planning")

    def run(self, settings: RewardSettings, *, candidates: int, reward: bool, label: str) -> RobotScores:
        """Walk under ``settings``. Without ``reward`` they rank the candidates but do not guide the sampling."""
        return RobotScores.concatenate([
            self._run_group(start, settings, candidates, reward, label)
            for start in range(0, self._config.robots, GROUP)
        ])

    def _run_group(
        self, start: int, settings: RewardSettings, candidates: int, reward: bool, label: str
    ) -> RobotScores:
        config, seed = self._config, self._config.seed + start
        sampling = SamplingOptions(candidates=candidates, guidance_scale=1.0 if reward else 0.0, seed=seed)
        timing = Timing(self._artefact.description.horizon, *config.timing)
        planner = DiffusionMpcPlanner(
            self._artefact, DiffusionMpcConfig(timing, sampling, threads=config.threads, backend=config.backend)
        )
        commands = config.commands()[start : start + GROUP]
        simulation = BatchSimulation(len(commands), seed=seed, threads=config.threads)
        first = min(SETTLING_TICKS, config.ticks - 1)
        meter = PenaltyMeter(self._penalties, simulation.state, first)
        controller = AsynchronousController(planner, lambda tick: settings)
        walked = run_closed_loop(controller, simulation, commands, config.ticks, label, watch=meter.add)
        errors = {"linear": walked.planar_error, "angular": walked.yaw_rate_error}
        tracking = {name: np.exp(-(error[first:] ** 2) / TRACKING_WIDTH).mean(axis=0) for name, error in errors.items()}
        return RobotScores(walked.survived(), tracking, meter.means())
