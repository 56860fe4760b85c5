"""The closed-loop evaluation that stops the training and chooses the best weights: new conditions, and the old ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion_mpc_ros.diffusion.bound_step import StepBackend
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.policies.closed_loop import COMMANDS, run_closed_loop
from diffusion_mpc_ros.policies.condition_walks import shipped_controller
from diffusion_mpc_ros.policies.conditions import FLAT_CONDITION, MixedSimulation
from diffusion_mpc_ros.training.finetuning.configuration import TrialConfig

# What counts as the error of robots that all fell before it could be measured [m/s, rad/s].
NO_ERROR = 1.0


@dataclass(frozen=True)
class TrialScores:
    """Survival and velocity error [m/s] by condition, and on flat ground over all commands."""

    iteration: int
    minutes: float
    conditions: dict[str, tuple[float, float]]
    flat_survival: float
    flat_error: float
    flat_yaw_error: float  # [rad/s]

    @property
    def survival(self) -> float:
        """Mean over the conditions, that of flat ground without any."""
        return float(np.mean([survival for survival, _ in self.conditions.values()] or [self.flat_survival]))

    @property
    def error(self) -> float:
        """The same of the error [m/s]."""
        return float(np.mean([error for _, error in self.conditions.values()] or [self.flat_error]))

    def keeps(self, first: TrialScores, config: TrialConfig) -> bool:
        """Whether flat ground is walked as at ``first``, within the bounds of ``config``."""
        survives = self.flat_survival >= first.flat_survival - config.survival_bound
        return survives and self.flat_error <= first.flat_error + config.error_bound

    @property
    def score(self) -> float:
        """Survival less errors, in the mean of the conditions and flat ground; half of a rad/s counts as a m/s."""
        flat = self.flat_survival - self.flat_error - 0.5 * self.flat_yaw_error
        return float(np.mean([flat, *(survival - error for survival, error in self.conditions.values())]))

    def to_json(self) -> dict[str, Any]:
        """Numbers, texts and lists only."""
        return {**vars(self), "conditions": {name: list(scores) for name, scores in self.conditions.items()}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TrialScores:
        """Inverse of :meth:`to_json`."""
        conditions = {name: (scores[0], scores[1]) for name, scores in data["conditions"].items()}
        return cls(**{**data, "conditions": conditions})


def run_trial(
    config: TrialConfig, artefact: Prior, steps: StepBackend, threads: int, iteration: int, minutes: float
) -> TrialScores:
    """Let the planner on ``steps`` walk all conditions and all commands side by side; the same robots every time."""
    groups = [(FLAT_CONDITION, config.robots * len(COMMANDS)), *((each, config.robots) for each in config.conditions)]
    simulation = MixedSimulation(groups, seed=config.seed, threads=threads)
    commands = np.tile(np.array(config.command), (simulation.robots, 1))
    commands[: config.robots * len(COMMANDS)] = np.repeat(np.array(COMMANDS), config.robots, axis=0)
    walker = shipped_controller(artefact, config.seed, steps=steps)
    scores = run_closed_loop(walker, simulation, commands, config.ticks, "trial")

    def of(robots: np.ndarray) -> tuple[float, float, float]:
        summary = scores.summary(robots)
        errors = (float(np.nan_to_num(summary[f"{name}_error"], nan=NO_ERROR)) for name in ("velocity", "yaw_rate"))
        return summary["survival"], *errors

    conditions = {each.name: of(simulation.group == 1 + index)[:2] for index, each in enumerate(config.conditions)}
    return TrialScores(iteration, minutes, conditions, *of(simulation.group == 0))
