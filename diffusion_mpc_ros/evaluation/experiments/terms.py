"""What a preset does to its own reward terms, in the realised walk: the effect of any term, without further code.

The same robots walk the same random forward commands without planning and under each preset. The terms that the preset
weighs, or sets a parameter of, are then worked out of what the robots really did: the functions that guide the plans,
in NumPy, over windows as long as a plan, with measured outcomes in the place of predicted ones. Terms whose outcome a
walk cannot be measured by (a cost-to-go, a step frequency) are left out. Changes are of robots that survived both
walks, with 95 % bootstrap intervals over the robots. Tracking below 0.97 of that without planning makes a row void.

examples:
  diffusion-mpc evaluate terms --presets limp soft_range
  diffusion-mpc evaluate terms --robots 48 --ticks 500 --json docs/results/terms.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation.experiment import CHANGE, WALK, TableExperiment
from diffusion_mpc_ros.evaluation.adaptation.realised_terms import TermMeter, asked_terms
from diffusion_mpc_ros.evaluation.experiment import Report, number
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, run_closed_loop
from diffusion_mpc_ros.policies.comparison import RobotScores, compare
from diffusion_mpc_ros.policies.scoring import tracking_scores
from diffusion_mpc_ros.rewards.presets import SEPARATOR
from diffusion_mpc_ros.rewards.registry import TERMS
from diffusion_mpc_ros.simulation.batch import BatchSimulation

# A preset and one of its terms.
Cell = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Config(TableExperiment):
    """Which presets, on which robots, and where the results go."""

    command = "evaluate terms"
    title = "Reward terms"
    unit = "term"

    presets: tuple[str, ...] = ("limp", "still_leg", "slow_leg", "gentle_leg", "soft_range")
    """Presets of config/rewards.yaml, or several at once, FIRST+SECOND."""

    @cached_property
    def chosen(self) -> dict[str, RewardSettings]:
        """The presets; raises :class:`ConfigurationError` for one of which a walk shows nothing."""
        presets = {name: self.composer.preset_settings(name) for name in self.presets}
        nothing = [name for name, settings in presets.items() if not asked_terms(settings)]
        if nothing:
            raise ConfigurationError(f"presets without a term that a walk can be measured by: {', '.join(nothing)}")
        return presets

    def cells(self) -> list[Cell]:
        return [(name, term) for name, settings in self.chosen.items() for term in asked_terms(settings)]

    def labels(self, cell: Cell) -> dict[str, Any]:
        return {"preset": cell[0], "term": cell[1]}

    def settings_of(self, labels: Mapping[str, Any]) -> RewardSettings | None:
        if not all(name in self.composer.presets for name in labels["preset"].split(SEPARATOR)):
            return None
        return self.composer.preset_settings(labels["preset"])

    @cached_property
    def walked(self) -> dict[str, RobotScores]:
        """The walks so far, by preset."""
        return {}

    @cached_property
    def unplanned(self) -> RobotScores:
        """The prior alone; penalties by preset and term, of all presets."""
        return self.walk_measured(RewardSettings(), 1, "no planning")

    def walk_measured(self, settings: RewardSettings, candidates: int, label: str) -> RobotScores:
        """Return the robots under ``settings``; penalties by preset and term, of all presets."""
        parts, first = [], min(SETTLING_TICKS, self.ticks - self.horizon)
        if first < 0:
            raise ConfigurationError(f"a walk of {self.ticks} ticks holds no window of {self.horizon}")
        for commands, seed in self.groups():
            simulation = BatchSimulation(len(commands), seed=seed, threads=self.threads)
            planner = self.controller(lambda tick: settings, candidates=candidates, reward=True, seed=seed)
            meter = TermMeter(planner, self.chosen, simulation.state, first, self.horizon)
            walked = run_closed_loop(meter, simulation, commands, self.ticks, label, watch=meter.add)
            parts.append(RobotScores(walked.survived(), tracking_scores(walked, first), meter.means()))
        return RobotScores.concatenate(parts)

    def measured(self, cell: Cell, settings: RewardSettings) -> Row:
        unplanned, preset = self.unplanned, cell[0]
        if preset not in self.walked:
            self.walked[preset] = self.walk_measured(settings, self.candidates, preset)
        compared = compare(self.walked[preset], unplanned, [cell], self.seed)
        penalty = compared.pop("penalties")[cell]
        return {**self.labels(cell), "unit": TERMS[cell[1]].unit, **penalty, **compared}

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            ("preset", lambda row: row["preset"]),
            ("term", lambda row: row["term"]),
            ("no planning", lambda row: f"{number(row['unplanned'], '{:.3g}')} {row['unit']}"),
            ("penalty", lambda row: f"{number(row['penalty'], '{:.3g}')} {row['unit']}"),
            *CHANGE,
            *WALK,
        )
        title = f"Reward terms in the realised walk, N = {report['config']['candidates']}"
        return [Grid.of(title, columns, report["rows"])]
