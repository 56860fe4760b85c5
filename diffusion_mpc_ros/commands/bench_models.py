"""What cheaper models of the Go2 get wrong and how fast they are, beside the full one at 2 ms.

Every model rolls the same candidates out, trots with noise from a stand; errors are root mean squares at the end, for
one thread. dial_mpc plans with one of the models (planner.model).

examples:
  diffusion-mpc bench models
  diffusion-mpc bench models --models elliptic_10ms elliptic_20ms --horizon 10 --json models.json
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.experiment import Experiment, Report
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.simulation.model_bench import measure
from diffusion_mpc_ros.simulation.planner_models import PLANNER_MODELS

COLUMNS = {
    "velocity, m/s": ("velocity_error", "{:.3f}"), "position, m": ("position_error", "{:.4f}"),
    "tilt": ("tilt_error", "{:.4f}"), "ms": ("milliseconds", "{:.1f}"), "ticks/s": ("ticks_per_second", "{:,.0f}"),
    "steps/s": ("steps_per_second", "{:,.0f}"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Config(Experiment):
    """What to measure."""

    command = "bench models"
    title = "Models to plan with"
    size = "{candidates} candidates of {horizon} ticks, one thread, best of {repeats} runs"
    unit = "model"

    models: tuple[str, ...] = tuple(PLANNER_MODELS)
    """Models to compare with the full one."""
    candidates: int = 64
    """Candidates N."""
    horizon: int = 20
    """Control ticks H of each."""
    repeats: int = 10
    """Runs of a model, of which the best counts."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.models if name not in PLANNER_MODELS]
        if unknown:
            raise ConfigurationError(f"unknown planner model {unknown[0]!r}; there is {', '.join(PLANNER_MODELS)}")
        self.refuse_below_one("candidates", "horizon", "repeats")

    @property
    def head(self) -> dict[str, Any]:
        names = ("candidates", "horizon", "repeats")
        return {**{name: getattr(self, name) for name in names}, "machine": describe_machine()}

    def cells(self) -> tuple[str, ...]:
        return self.models

    def labels(self, cell: str) -> dict[str, Any]:
        return {"model": cell}

    def run(self, cell: str) -> Row:
        return {**self.labels(cell), **measure(cell, self.candidates, self.horizon, self.repeats)}

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            ("model", lambda row: row["model"]),
            *((text, lambda row, key=key, form=form: form.format(row[key])) for text, (key, form) in COLUMNS.items()),
        )
        return [Grid.of(self.size.format(**report), columns, report["rows"])]
