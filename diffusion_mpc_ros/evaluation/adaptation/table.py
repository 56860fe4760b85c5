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

A file that --json names is continued: its rows with the same artefact and settings are not run again.

examples:
  diffusion-mpc evaluate adaptation --objectives energy posture_n --candidates 10
  diffusion-mpc evaluate adaptation --robots 200 --ticks 1000 --json docs/results/adaptation.json
  diffusion-mpc evaluate adaptation --full --json adaptation.json --markdown adaptation.md --plot adaptation.png
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.adaptation import report as reports
from diffusion_mpc_ros.evaluation.adaptation.page import publish
from diffusion_mpc_ros.evaluation.adaptation.policies import PolicyCell, measuring_settings, policy_cells
from diffusion_mpc_ros.evaluation.adaptation.walks import LoopConfig, Walks
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.policies.comparison import RobotScores, compare
from diffusion_mpc_ros.policies.objectives import (
    OBJECTIVES,
    Objective,
    describe_settings,
    get_objective,
    make_composer,
    reward_settings,
    tick_penalties,
)
from diffusion_mpc_ros.rewards.composition import RewardComposer

COMMAND = "evaluate adaptation"
FULL = {"robots": 1000, "ticks": 3000, "candidates": (1, 10, 100)}


@dataclass(frozen=True, kw_only=True)
class Config(LoopConfig):
    """Which cells of the table, on which robots, and where the results go."""

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
    json: Path | None = None
    """Write the report to this file after every row; rows that it holds already are kept."""
    markdown: Path | None = None
    """Write the tables to this file."""
    plot: Path | None = None
    """Draw penalties with their intervals into this PNG."""

    def __post_init__(self) -> None:
        if self.full:
            for name, value in FULL.items():
                object.__setattr__(self, name, value)
        super().__post_init__()
        if not self.objectives:
            raise ConfigurationError(f"no objectives to measure; valid objectives: {', '.join(OBJECTIVES)}")
        for name in self.objectives:
            get_objective(name)
        if not self.candidates or min(self.candidates) < 1:
            raise ConfigurationError(f"candidates must be at least 1, got {self.candidates}")


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
        """What the planner is given, and by whose parameters the penalty is measured."""
        if self.unplanned:
            return measuring_settings(composer, self.objective)
        return reward_settings(composer, self.objective, self.constraint)

    def scores(self, walks: Walks, settings: RewardSettings) -> RobotScores:
        """The walk under ``settings``."""
        if self.unplanned:
            return walks.unplanned
        label = f"{self.objective.name} {reports.column(self.labels)}"
        return walks.run(settings, candidates=self.candidates, reward=self.reward, label=label)


def cells(config: Config) -> list[Cell]:
    """The planner's cells in the paper's order, no planning among them in any case."""
    kinds = [(1, False, False)]
    kinds += [
        (candidates, reward, constraint)
        for constraint, reward in product((False, True), repeat=2)
        for candidates in sorted(set(config.candidates))
    ]
    return [Cell(objective, *kind) for objective in _chosen(config) for kind in dict.fromkeys(kinds)]


def _chosen(config: Config) -> list[Objective]:
    return [objective for name, objective in OBJECTIVES.items() if name in config.objectives]


def main(config: Config) -> None:
    """Run, print, and write the reports when asked."""
    report = evaluate_adaptation(config)
    publish(
        report, reports.grids(report), reports.TITLE, reports.EXPLANATION, config.markdown,
        (config.plot, reports.plot),
    )  # fmt: skip


def evaluate_adaptation(config: Config) -> dict[str, Any]:
    """The report: ``artefact`` (SHA-256), ``config`` and ``rows``."""
    artefact, composer = load(model_folder(config.artefact)), make_composer()
    file = ReportFile(config.json, COMMAND, config.head(artefact))
    policies = policy_cells(_chosen(config), config.demonstrator, config.specialists)
    # A row measured under a preset, or of a policy, that has changed since is measured again.
    file.rows[:] = [
        row for row in file.rows
        if row["settings"] == _settings_now(composer, row) and not any(cell.is_outdated(row) for cell in policies)
    ]  # fmt: skip
    walks = Walks(config, artefact, tick_penalties(composer))
    for cell in tqdm([*cells(config), *policies], desc="cells", unit="cell", disable=None):
        if not file.has(**cell.labels):
            file.add(_row(config, walks, composer, cell))
    return file.report


def _settings_now(composer: RewardComposer, row: dict[str, Any]) -> dict[str, Any] | None:
    if row["objective"] not in OBJECTIVES:
        return None
    objective = OBJECTIVES[row["objective"]]
    if "policy" in row:
        return describe_settings(composer, measuring_settings(composer, objective))
    cell = Cell(objective, row["candidates"], row["reward"], row["constraint"])
    return describe_settings(composer, cell.settings(composer))


def _row(config: Config, walks: Walks, composer: RewardComposer, cell: Cell | PolicyCell) -> dict[str, Any]:
    objective, settings = cell.objective, cell.settings(composer)
    unplanned = walks.unplanned
    result = compare(cell.scores(walks, settings), unplanned, [objective.name], config.seed)
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
        "settings": describe_settings(composer, settings),
        "machine": describe_machine(),
    }
