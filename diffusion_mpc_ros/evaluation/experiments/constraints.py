"""How well projections keep a walking robot within its constraints, not only boxes (arXiv 2510.04234, IV-A).

The presets of config/rewards.yaml that have constraints: joint ranges and speeds (boxes, V-B2 and V-B4), torques by the
PD law, a range that moves in time, and a band of joint angles to keep out of, which is not convex. What the projection
promises holds for plans; what counts here is the realised walk, tick by tick, on the joints that the constraint
restricts: the share of joint ticks outside by more than a tolerance (0.02 rad, 0.5 rad/s, 0.5 N m), and how far outside
on the mean. "no planning" is the prior alone, measured against the same constraint.

examples:
  diffusion-mpc evaluate constraints --presets torque_limit calf_band
  diffusion-mpc evaluate constraints --robots 200 --ticks 1000 --json docs/results/constraints.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from diffusion_mpc_ros.constraints.registry import get_constraint
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation.constraints import ViolationMeter
from diffusion_mpc_ros.evaluation.adaptation.experiment import CHANGE, WALK, TableExperiment
from diffusion_mpc_ros.evaluation.experiment import Report, number
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.comparison import compare
from diffusion_mpc_ros.simulation.batch import BatchState


@dataclass(frozen=True, kw_only=True)
class Config(TableExperiment):
    """Which constraints, on which robots, and where the results go."""

    command = "evaluate constraints"
    title = "Constraints"
    unit = "preset"

    presets: tuple[str, ...] = ()
    """Presets with one constraint; default: all of them."""

    @cached_property
    def valid(self) -> dict[str, RewardSettings]:
        """The presets with one constraint."""
        presets = {name: self.composer.preset_settings(name) for name in self.composer.presets}
        return {name: settings for name, settings in presets.items() if len(settings.constraints) == 1}

    @cached_property
    def chosen(self) -> dict[str, RewardSettings]:
        """The presets that are measured; raises :class:`ConfigurationError` for others."""
        unknown = [name for name in self.presets if name not in self.valid]
        if unknown:
            raise ConfigurationError(
                f"no presets with one constraint: {unknown}; valid presets: {', '.join(self.valid)}"
            )
        return {name: self.valid[name] for name in self.presets or self.valid}

    def cells(self) -> list[str]:
        return list(self.chosen)

    def labels(self, cell: str) -> dict[str, Any]:
        return {"preset": cell}

    def settings_of(self, labels: Mapping[str, Any]) -> RewardSettings | None:
        return self.valid.get(labels["preset"])

    def meter(self, initial: BatchState, first: int) -> ViolationMeter:
        return ViolationMeter(self.chosen, initial, first)

    def measured(self, cell: str, settings: RewardSettings) -> Row:
        reward = any(settings.weights.values())
        scores = self.walk(settings, candidates=self.candidates, reward=reward, label=cell)
        compared = compare(scores, self.unplanned, [f"{cell} excess", f"{cell} share"], self.seed)
        excess, share = compared.pop("penalties").values()
        return {
            "preset": cell,
            "constraint": settings.constraints[0],
            "unit": get_constraint(settings.constraints[0]).unit,
            "share": share["penalty"],
            "unplanned_share": share["unplanned"],
            "excess": excess["penalty"],
            "unplanned_excess": excess["unplanned"],
            "change": excess["change"],
            "interval": excess["interval"],
            **compared,
        }

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            ("preset", lambda row: row["preset"]),
            ("constraint", lambda row: row["constraint"]),
            ("outside, no planning", lambda row: number(row["unplanned_share"], "{:.2%}")),
            ("outside", lambda row: number(row["share"], "{:.2%}")),
            ("excess, no planning", lambda row: f"{number(row['unplanned_excess'], '{:.3g}')} {row['unit']}"),
            ("excess", lambda row: f"{number(row['excess'], '{:.3g}')} {row['unit']}"),
            *CHANGE,
            *WALK,
        )
        title = f"Realised walk outside its constraints, N = {report['config']['candidates']}"
        return [Grid.of(title, columns, report["rows"])]
