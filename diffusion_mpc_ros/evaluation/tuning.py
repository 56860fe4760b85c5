"""Draw the three plots of docs/results/tuning.md from the reports in docs/results; nothing is measured.

tuning_reward.png  what each reward takes off: one or ten candidates, by the gradient or by choosing (adaptation.json)
tuning_time.png    how long a plan takes: candidates, backend, precision; the bar reaches to p99 (bench.json)
tuning_steps.png   how far a new plan jumps: denoising steps, from noise or from the last plan (caching_randomized.json)

examples:
  diffusion-mpc evaluate tuning
  diffusion-mpc evaluate tuning --results runs/results --output runs/results
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.evaluation.plots import Point, groups, lines

Row = Mapping[str, Any]

# How a reward acts: the cells of adaptation.json.
WAYS = {
    "N = 1, guided": {"candidates": 1, "reward": True, "constraint": False},
    "N = 10, chosen": {"candidates": 10, "reward": False, "constraint": False},
    "N = 10, guided": {"candidates": 10, "reward": True, "constraint": False},
    "trained for it": {"policy": "specialist"},
}
BACKENDS = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
PRECISIONS = ("f32", "bf16", "int8")
STEPS = 10
# The share of a tick that a plan may take (planner.time_budget_ms).
BUDGET = 0.8
TIMINGS = ((3, 2), (1, 1))
STARTS = {"from noise": "cold", "from the last plan": "cached"}


@dataclass(frozen=True)
class TuningConfig:
    """``results``: where the reports are; ``output``: where the plots go."""

    results: Path = Path("docs/results")
    output: Path = Path("docs/results")


def main(config: TuningConfig) -> None:
    """Draw the plots, and say where."""
    drawn = {"reward": draw_rewards, "time": draw_times, "steps": draw_steps}
    reports = {"reward": "adaptation", "time": "bench", "steps": "caching_randomized"}
    config.output.mkdir(parents=True, exist_ok=True)
    for name, draw in drawn.items():
        path = config.output / f"tuning_{name}.png"
        draw(read(config.results / f"{reports[name]}.json"), path)
        print(path)


def read(path: Path) -> list[Row]:
    """The rows of a report; ConfigurationError where it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["rows"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} is no report with rows: {error!r}") from None


def select(rows: Sequence[Row], **values: object) -> list[Row]:
    """The rows that hold these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in values.items())]


def draw_rewards(rows: Sequence[Row], path: Path) -> None:
    """Change of each objective's penalty, with its 95 % interval; hollow where the tracking is void."""
    objectives = list(dict.fromkeys(row["objective"] for row in rows))
    series = {}
    for name, cell in WAYS.items():
        found = [select(rows, objective=objective, **cell) for objective in objectives]
        if all(found):
            series[name] = [
                Point(name, 100 * row["change"], [100 * end for end in row["interval"]], not row["void"])
                for (row, *_) in found
            ]
    groups(path, [name.replace("_", "\n") for name in objectives], series, "change of the penalty [%]")


def draw_times(rows: Sequence[Row], path: Path) -> None:
    """Median plan time of guided DDPM plans on one thread, the bar up to p99, beside the budgets of both timings."""
    series = {}
    for backend, name in BACKENDS.items():
        for precision in PRECISIONS:
            cell = {"backend": backend, "precision": precision, "steps": STEPS, "guided": True, "threads": 1}
            found = sorted(select(rows, **cell), key=lambda row: row["candidates"])
            if found:
                series[f"{name} {precision}"] = [
                    Point("", row["p50_ms"], [row["p50_ms"], row["p99_ms"]], x=row["candidates"]) for row in found
                ]
    budgets = {
        f"budget at D = {delay}, R = {replan}": BUDGET * min(max(delay, 1), replan) * 1e3 * CONTROL_DT
        for delay, replan in TIMINGS
    }
    lines(path, {"": series}, "candidates N", "plan time [ms]", budgets, logarithmic=True)


def draw_steps(rows: Sequence[Row], path: Path) -> None:
    """Mean jump of a joint target at a seam, DDIM; hollow where fewer robots survive than with all steps from noise."""
    panels = {}
    for delay, replan in TIMINGS:
        here = [row for row in select(rows, delay=delay, replan=replan) if row["refresh"]]
        (whole,) = select(here, steps=STEPS)
        panels[f"D = {delay}, R = {replan}, randomised robots"] = {
            name: [
                Point(
                    "",
                    row["jump"]["mean"],
                    [row["jump"]["mean"]] * 2,
                    row["survival"] >= whole["survival"],
                    row["steps"],
                )
                for row in sorted(select(here, start=start, sampler="ddim"), key=lambda row: row["steps"])
            ]
            for name, start in STARTS.items()
        }
    lines(path, panels, "denoising steps", "mean jump [rad]")
