"""The same robots walking the same commands under different rewards and constraints, in the batch simulator."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RewardSettings, Timing
from diffusion_mpc_ros.diffusion.inference import choose_backend
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation.experiment import bounds, number
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planning import PlannerExperiment
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, BatchController
from diffusion_mpc_ros.policies.comparison import RobotScores
from diffusion_mpc_ros.policies.objectives import describe_settings, make_composer
from diffusion_mpc_ros.policies.scoring import Meter, score_walk
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.simulation.batch import BatchSimulation, BatchState

# So many robots walk side by side: a hundred candidates for each still fit into memory. The robots of a group and their
# noise depend on it.
GROUP = 50
UNPLANNED = "no planning"


@dataclass(frozen=True, kw_only=True)
class WalksExperiment(PlannerExperiment):
    """Robots that walk forward under rewards and constraints: which, how far, and in which loop.

    ``asked``: names of further options that the rows depend on.
    """

    needs: ClassVar[tuple[str, ...]] = ("candidates",)
    asked: ClassVar[tuple[str, ...]] = ()
    size = (
        "{robots} robots x {ticks} ticks, D, R = {timing[0]}, {timing[1]}, forward commands {forward[0]:g} to "
        "{forward[1]:g} m/s, {steps} {sampler} steps, seed {seed}, {backend}"
    )

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
    backend: str = "auto"
    """Inference backend: auto, onnxruntime, openvino."""

    def __post_init__(self) -> None:
        self.refuse_below_one("robots", "ticks", "threads")
        low, high = self.forward
        if not (np.isfinite(self.forward).all() and low <= high):
            raise ConfigurationError(f"forward needs a range LOW <= HIGH [m/s], got {low} {high}")
        choose_backend(self.backend)
        SamplingOptions(survivors=self.survivors)

    @abstractmethod
    def settings_of(self, labels: Mapping[str, Any]) -> RewardSettings | None:
        """Return what the planner is asked for in the cell, or row, of these labels; None for one that is no more."""

    @abstractmethod
    def measured(self, cell: Any, settings: RewardSettings) -> Row:
        """Return the row of one cell."""

    @property
    def head(self) -> dict[str, Any]:
        """Artefact and options."""
        names = ("robots", "ticks", "timing", "forward", "survivors", "seed")
        asked = {name: getattr(self, name) for name in self.asked}
        sampling = {"sampler": SamplingOptions.sampler, "steps": SamplingOptions.steps}
        return self.head_of(*names, backend=choose_backend(self.backend), **sampling, **asked)

    def run(self, cell: Any) -> Row:
        """See :class:`Experiment`."""
        settings = self.settings_of(self.labels(cell))
        described = describe_settings(self.composer, settings)
        return {**self.measured(cell, settings), "settings": described, "machine": describe_machine()}

    def outdated(self, row: Row) -> bool:
        """Whether the row was measured under a preset that has changed since."""
        settings = self.settings_of(row)
        return settings is None or row["settings"] != describe_settings(self.composer, settings)

    @cached_property
    def composer(self) -> RewardComposer:
        """Over the shipped presets."""
        return make_composer()

    @cached_property
    def of_policies(self) -> dict[Any, RobotScores]:
        """The walks of policies in the planner's place so far."""
        return {}

    @cached_property
    def commands(self) -> np.ndarray:
        """Velocity commands ``(robots, 3)`` (vx, vy [m/s], yaw rate [rad/s]): forward, uniform in the range."""
        commands = np.zeros((self.robots, 3))
        commands[:, 0] = np.random.default_rng(self.seed).uniform(*self.forward, size=self.robots)
        return commands

    def groups(self) -> Iterator[tuple[np.ndarray, int]]:
        """Commands ``(B, 3)`` and seed of each group of robots that walk side by side."""
        for start in range(0, self.robots, GROUP):
            yield self.commands[start : start + GROUP], self.seed + start

    def controller(
        self, settings: Callable[[int], RewardSettings], *, candidates: int, reward: bool, seed: int
    ) -> AsynchronousController:
        """Return the planner in the loop, under the ``settings`` of each tick.

        Without ``reward`` they rank the candidates but do not guide the sampling.
        """
        sampling = SamplingOptions(
            candidates=candidates, guidance_scale=1.0 if reward else 0.0, survivors=self.survivors, seed=seed
        )
        planner = self.make_planner(*self.timing, sampling, backend=self.backend)
        planner.check(settings(0))
        return AsynchronousController(planner, settings)

    def meter(self, initial: BatchState, first: int) -> Meter:
        """Return what measures a walk; see :class:`Meter`."""
        raise NotImplementedError

    @cached_property
    def unplanned(self) -> RobotScores:
        """The prior alone: one candidate, no reward, no constraint (the paper's Diffusion Policy)."""
        return self.walk(RewardSettings(), candidates=1, reward=False, label=UNPLANNED)

    def walk(self, settings: RewardSettings, *, candidates: int, reward: bool, label: str) -> RobotScores:
        """Walk under ``settings``; ``reward``: see :meth:`controller`."""
        return self.score(
            lambda robots, seed: self.controller(
                lambda tick: settings, candidates=candidates, reward=reward, seed=seed
            ),
            label,
        )

    def score(self, make_controller: Callable[[int, int], BatchController], label: str) -> RobotScores:
        """Scores of all robots under ``make_controller(robots, seed)``, made for each group."""
        parts = []
        for commands, seed in self.groups():
            simulation = BatchSimulation(len(commands), seed=seed, threads=self.threads)
            controller = make_controller(len(commands), seed)
            parts.append(score_walk(controller, simulation, commands, self.ticks, self.meter, label))
        return RobotScores.concatenate(parts)


def change_texts(measured: Mapping[str, Any]) -> list[str]:
    """``change`` and ``interval`` in per cent; "-" where nobody survived."""
    return [number(measured["change"], "{:+.1%}"), bounds(measured["interval"], "{:+.1%}")]


def walk_texts(row: Mapping[str, Any]) -> list[str]:
    """``tracking_ratio``, marked where it makes the row void, and ``survival``."""
    tracking = number(row["tracking_ratio"], "{:.3f}") + (" void" if row["void"] else "")
    return [tracking, f"{row['survival']:.1%}"]
