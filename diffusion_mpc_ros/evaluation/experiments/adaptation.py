"""Table II of the paper (arXiv 2510.04234, VI-A.1): how far rewards and constraints change the realised walk.

Six objectives, each with N candidates, the reward on or off and the constraint on or off. The same robots walk the same
random forward commands in every cell; "no planning" is one sample of the prior alone, N = 1 without reward and
constraint. Without the reward's gradient the reward still chooses among the N candidates. Weights come from the
presets of config/rewards.yaml, constraints and penalties from evaluation/adaptation/objectives.py.

Penalties are measured in the simulator, tick by tick, and scaled so that no planning has the paper's value. Changes are
of robots that survived both walks, with 95 % bootstrap intervals over the robots. A cell is void, and its penalty in
brackets, when linear or angular velocity tracking falls below 97 % of that without planning.

Beside the table stand two policies in the planner's place, called at every tick without delay: the demonstrator that
the prior has learnt from, and the specialist, trained by PPO for this one objective (`train specialist`): the ceiling,
with how much of it N = 10 has reached. Specialists that are not there are left out.

examples:
  diffusion-mpc evaluate adaptation --objectives energy posture_n --candidates 10
  diffusion-mpc evaluate adaptation --robots 200 --ticks 1000 --json docs/results/adaptation.json
  diffusion-mpc evaluate adaptation --full --json adaptation.json --markdown adaptation.md --plot adaptation.png
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation import report as tables
from diffusion_mpc_ros.evaluation.adaptation.policies import PolicyCell, measuring_settings, policy_cells
from diffusion_mpc_ros.evaluation.adaptation.walks import WalksExperiment
from diffusion_mpc_ros.evaluation.experiment import PlottedExperiment, Report
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.comparison import RobotScores, compare
from diffusion_mpc_ros.policies.objectives import (
    OBJECTIVES,
    Objective,
    get_objective,
    reward_settings,
    tick_penalties,
)
from diffusion_mpc_ros.policies.scoring import PenaltyMeter
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.simulation.batch import BatchState

FULL = {"robots": 1000, "ticks": 3000, "candidates": (1, 10, 100)}


@dataclass(frozen=True)
class Cell:
    """``candidates`` N, guided by the ``reward`` or only ranked by it, projected onto the ``constraint`` or not."""

    objective: Objective
    candidates: int
    reward: bool
    constraint: bool

    @property
    def unplanned(self) -> bool:
        """Whether this is the prior alone."""
        return not (self.reward or self.constraint) and self.candidates == 1

    @property
    def labels(self) -> dict[str, Any]:
        """What identifies the row."""
        return {
            "objective": self.objective.name, "candidates": self.candidates, "reward": self.reward,
            "constraint": self.constraint,
        }  # fmt: skip

    def settings(self, composer: RewardComposer) -> RewardSettings:
        """Return what the planner is given, and by whose parameters the penalty is measured."""
        if self.unplanned:
            return measuring_settings(composer, self.objective)
        return reward_settings(composer, self.objective, self.constraint)

    def scores(self, walks: WalksExperiment, settings: RewardSettings) -> RobotScores:
        """Return the walk under ``settings``."""
        if self.unplanned:
            return walks.unplanned
        label = f"{self.objective.name} {tables.column(self.labels)}"
        return walks.walk(settings, candidates=self.candidates, reward=self.reward, label=label)


@dataclass(frozen=True, kw_only=True)
class Config(WalksExperiment, PlottedExperiment):
    """Which cells of the table, on which robots, and where the results go."""

    command = "evaluate adaptation"
    title = "Adaptation: Table II"
    unit = "cell"
    needs = ("candidates", "guidance_scale")

    candidates: tuple[int, ...] = (1, 10)
    """Numbers of candidates N."""
    objectives: tuple[str, ...] = tuple(OBJECTIVES)
    """Objectives to measure."""
    demonstrator: str | None = "demonstrator"
    """Demonstrator: its name in models/, or a path to its folder; None leaves its rows out."""
    specialists: Path = Path("models")
    """Folder with specialist_OBJECTIVE/ for some of the objectives."""
    full: bool = False
    """The paper's size: 1,000 robots x 3,000 ticks, N = 1, 10, 100; with N = 100 about a day a cell on one core."""

    def __post_init__(self) -> None:
        if self.full:
            for name, value in FULL.items():
                object.__setattr__(self, name, value)
        super().__post_init__()
        if not self.objectives:
            raise ConfigurationError(f"no objectives to measure; valid objectives: {', '.join(OBJECTIVES)}")
        for name in self.objectives:
            get_objective(name)
        self.refuse_below_one("candidates")

    @property
    def chosen(self) -> list[Objective]:
        """The objectives, in the paper's order."""
        return [objective for name, objective in OBJECTIVES.items() if name in self.objectives]

    @cached_property
    def policies(self) -> list[PolicyCell]:
        """The rows beside the table."""
        return policy_cells(self.chosen, self.demonstrator, self.specialists)

    def cells(self) -> list[Cell | PolicyCell]:
        """In the paper's order, no planning among them in any case."""
        kinds = [(1, False, False)]
        kinds += [
            (candidates, reward, constraint)
            for constraint, reward in product((False, True), repeat=2)
            for candidates in sorted(set(self.candidates))
        ]
        planned = [Cell(objective, *kind) for objective in self.chosen for kind in dict.fromkeys(kinds)]
        return [*planned, *self.policies]

    def settings_of(self, labels: Mapping[str, Any]) -> RewardSettings | None:
        if labels["objective"] not in OBJECTIVES:
            return None
        objective = OBJECTIVES[labels["objective"]]
        if "policy" in labels:
            return measuring_settings(self.composer, objective)
        return Cell(objective, labels["candidates"], labels["reward"], labels["constraint"]).settings(self.composer)

    def outdated(self, row: Row) -> bool:
        """Also whether the row is of another policy."""
        return super().outdated(row) or any(cell.is_outdated(row) for cell in self.policies)

    def meter(self, initial: BatchState, first: int) -> PenaltyMeter:
        return PenaltyMeter(tick_penalties(self.composer), initial, first)

    def measured(self, cell: Cell | PolicyCell, settings: RewardSettings) -> Row:
        objective, unplanned = cell.objective, self.unplanned
        result = compare(cell.scores(self, settings), unplanned, [objective.name], self.seed)
        measured = result.pop("penalties")[objective.name]
        change = measured["change"]
        return {
            **cell.labels,
            "penalty": None if change is None else objective.paper * (1.0 + change),
            "change": change,
            "interval": measured["interval"],
            **result,
            "penalty_raw": measured["penalty"],
            "unplanned_raw": measured["unplanned"],
            "unit": objective.unit,
        }

    def grids(self, report: Report) -> list[Grid]:
        return tables.grids(report)

    def draw(self, path: Path, report: Report) -> None:
        tables.draw(path, report)
