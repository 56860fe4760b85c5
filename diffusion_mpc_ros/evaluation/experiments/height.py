"""From 25 cm to 18 cm while walking (arXiv 2510.04234, VI-B.1 and Fig. 4): how fast does the base follow a request.

Robots walk forward under the preset `height`, the base height asked for --high; at --request the request changes to
--low, or to --aim where --low is not reached by asking for it (the paper asks for 15 cm to walk at 18). Every
trajectory that the prior has learnt from is in a gait of one height. Every row has its own number of candidates N; in
the first one nobody asks for anything (no planning: one sample of the prior alone).

The height is the base's above flat ground, in the simulator. Smoothed: the mean over the last --window, about a period
of the trot; it looks back only. Settling time: from the request until the smoothed height is within 1.5 cm of --low and
stays there; None when half of the robots never settle. Error: of the mean of the last second, settled or not. All are
medians over the robots with 95 % bootstrap intervals. Tracking is that after the request, as a share of the same
robots' without planning; below 97 % a row is void.

examples:
  diffusion-mpc evaluate height
  diffusion-mpc evaluate height --robots 100 --json docs/results/height.json --plot docs/results/height.png
  diffusion-mpc evaluate height --forward 0.5 0.5 --high 0.18 --low 0.28 --ramp 1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation.experiment import (
    WALK,
    Case,
    PresetExperiment,
    case_of,
    in_order,
    keeps_walking,
    verdict,
)
from diffusion_mpc_ros.evaluation.adaptation.transition import TOLERANCE, Request, band, summary, transitions
from diffusion_mpc_ros.evaluation.experiment import Report, number
from diffusion_mpc_ros.evaluation.plots import Series, timeline
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, run_closed_loop
from diffusion_mpc_ros.policies.comparison import RobotScores, compare
from diffusion_mpc_ros.policies.scoring import tracking_scores
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.simulation.batch import BatchSimulation

TARGET_PARAMETER = "base_height.target"
# Asked of N = 10: settled within this time [s] of the request.
TARGET_TIME = 1.0


@dataclass(frozen=True)
class HeightRun:
    """What the robots of one row did."""

    height: np.ndarray  # (ticks, B) [m], NaN from a fall on
    scores: RobotScores  # tracking after the request


@dataclass(frozen=True, kw_only=True)
class Config(PresetExperiment):
    """What is asked of which robots when, and where the results go."""

    command = "evaluate height"
    title = "Base height on request"
    asked = ("high", "low", "aim", "request", "ramp", "window")

    preset: str = "height"
    """Preset of config/rewards.yaml that follows the height asked for."""
    ticks: int = 450
    """Control ticks that they walk; the first 100 do not count."""
    high: float = 0.25
    """Base height asked for at first [m]."""
    low: float = 0.18
    """Base height to be reached from the request on [m]."""
    aim: float | None = None
    """What the planner is asked for then [m]; default: --low. A reward is a compromise with the prior."""
    request: float = 4.0
    """When the request changes [s]."""
    ramp: float = 0.0
    """How long the reward composer takes from one height to the other [s]."""
    window: float = 0.4
    """Time over which the height is averaged [s], about a period of the trot."""

    def __post_init__(self) -> None:
        super().__post_init__()
        first, last = SETTLING_TICKS * CONTROL_DT, (self.ticks - 1) * CONTROL_DT
        if not first <= self.request <= last:
            raise ConfigurationError(
                f"request must be within [{first:g}, {last:g}] s, after the robots are at speed and before the end of "
                f"{self.ticks} ticks, got {self.request}"
            )
        if not CONTROL_DT <= self.window <= self.request:
            raise ConfigurationError(
                f"window must be within [{CONTROL_DT:g}, {self.request:g}] s, a tick and the request, got {self.window}"
            )

    @property
    def change(self) -> Request:
        """The request in control ticks."""
        return Request(round(self.request / CONTROL_DT), self.low, round(self.window / CONTROL_DT))

    def settings_over_time(self, composer: RewardComposer, case: Case) -> Callable[[int], RewardSettings]:
        """Control tick -> what the planner is asked for; raises :class:`RewardError` for what the composer refuses."""
        if case.preset is None:
            return lambda tick: RewardSettings()
        first = self.change.tick
        before = composer.apply(0.0, parameters={TARGET_PARAMETER: self.high}, ramp_time=0.0, preset=case.preset)
        aim = self.low if self.aim is None else self.aim
        composer.apply(first * CONTROL_DT, parameters={TARGET_PARAMETER: aim}, ramp_time=self.ramp)
        return lambda tick: before if tick < first else composer.at(tick * CONTROL_DT)

    @cached_property
    def unplanned_run(self) -> HeightRun:
        """The prior alone, asked for nothing."""
        return self.follow(Case(None, 1))

    def follow(self, case: Case) -> HeightRun:
        """Return the robots under ``case``."""
        heights, scores = [], []
        settings = self.settings_over_time(self.composer, case)
        for commands, seed in self.groups():
            controller = self.controller(
                settings, candidates=case.candidates, reward=case.preset is not None, seed=seed
            )  # fmt: skip
            simulation = BatchSimulation(len(commands), seed=seed, threads=self.threads)
            walked = run_closed_loop(controller, simulation, commands, self.ticks, case.text)
            heights.append(walked.base_height)
            scores.append(RobotScores(walked.survived(), tracking_scores(walked, self.change.tick), {}))
        return HeightRun(np.concatenate(heights, axis=1), RobotScores.concatenate(scores))

    def measured(self, cell: Case, settings: RewardSettings) -> Row:
        unplanned = self.unplanned_run
        run = unplanned if cell.preset is None else self.follow(cell)
        compared = compare(run.scores, unplanned.scores, [], self.seed)
        del compared["penalties"]
        transition = summary(transitions(run.height, self.change), TARGET_TIME, self.seed)
        return {**cell.labels, **transition, **compared, "heights": band(run.height, self.change)}

    def grids(self, report: Report) -> list[Grid]:
        """Return a line for each row, no planning first."""
        config = report["config"]
        columns = (
            ("", lambda row: case_of(row).text),
            ("before", lambda row: number(row["before"], "{:.3f} m")),
            ("settling", lambda row: number(row["settling_time"], "{:.2f} s")),
            ("95 % interval", lambda row: _bounds(row["settling_time_interval"], "{:.2f}", 1.0)),
            ("settled", lambda row: f"{row['settled']:.1%}"),
            (f"within {TARGET_TIME:g} s", lambda row: f"{row['settled_in_time']:.1%}"),
            ("error", lambda row: number(None if row["error"] is None else 100.0 * row["error"], "{:.1f} cm")),
            ("95 % interval", lambda row: _bounds(row["error_interval"], "{:.1f}", 100.0)),
            *WALK,
            ("target is", lambda row: verdict(row, met(row))),
        )
        title = f"Base height: from {config['high']:g} m to {config['low']:g} m on request"
        return [Grid.of(title, columns, in_order(report["rows"]))]

    def draw(self, path: Path, report: Report) -> None:
        """Draw a panel for each row: median height, 5 to 95 % of the robots, and what is asked for."""
        config = report["config"]

        def wanted(time: float) -> float:
            share = float(np.clip(time / config["ramp"], 0.0, 1.0)) if config["ramp"] else float(time > 0.0)
            return config["high"] + share * (config["low"] - config["high"])

        panels = {
            case_of(row).text: Series(**row["heights"], wanted=[wanted(time) for time in row["heights"]["time"]])
            for row in report["rows"]
        }
        timeline(path, panels, "time from the request [s]", "base height [m], 5 to 95 % of the robots")


def met(row: Mapping[str, Any]) -> bool:
    """Whether the median robot is there in time and close enough, and they walk on."""
    time, error = row["settling_time"], row["error"]
    reached = time is not None and time <= TARGET_TIME and error is not None and error <= TOLERANCE
    return reached and keeps_walking(row)


def _bounds(interval: Sequence[float | None] | None, form: str, scale: float) -> str:
    """``None`` for a bound stands for never."""
    if interval is None:
        return "-"
    return " .. ".join("never" if bound is None else form.format(scale * bound) for bound in interval)
