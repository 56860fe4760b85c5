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

A file that --json names is continued: its rows with the same artefact and settings are not run again.

examples:
  diffusion-mpc evaluate height
  diffusion-mpc evaluate height --robots 100 --json docs/results/height.json --plot docs/results/height.png
  diffusion-mpc evaluate height --forward 0.5 0.5 --high 0.18 --low 0.28 --ramp 1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.evaluation.adaptation import report as reports
from diffusion_mpc_ros.evaluation.adaptation.experiment import Case, ExperimentConfig, drop_outdated
from diffusion_mpc_ros.evaluation.adaptation.page import publish
from diffusion_mpc_ros.evaluation.adaptation.transition import TOLERANCE, Request, band, summary, transitions
from diffusion_mpc_ros.evaluation.adaptation.walks import GROUP, planning_controller
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.evaluation.timeline import Series, timeline
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, run_closed_loop
from diffusion_mpc_ros.policies.comparison import RobotScores, compare
from diffusion_mpc_ros.policies.objectives import describe_settings, make_composer
from diffusion_mpc_ros.policies.scoring import tracking_scores
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.simulation.batch import BatchSimulation

COMMAND = "evaluate height"
TARGET_PARAMETER = "base_height.target"
# Asked of N = 10: settled within this time [s] of the request, and survival.
TARGET_TIME, TARGET_SURVIVAL = 1.0, 0.99


@dataclass(frozen=True, kw_only=True)
class Config(ExperimentConfig):
    """What is asked of which robots when, and where the results go."""

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


def main(config: Config) -> None:
    """Run, print, and write the reports when asked."""
    report = evaluate_height(config)
    publish(
        report, [grid(report)], "Base height on request",
        "Before: mean of the second before the request. Settling: from the request until the mean over the last "
        f"{config.window:g} s stays within {TOLERANCE * 100:g} cm of the target. Error: of the mean of the last "
        "second. Medians over the robots, 95 % bootstrap intervals. Tracking: after the request, as a share of that "
        "without planning; below 0.97 a row is void.",
        config.markdown, (config.plot, plot),
    )  # fmt: skip


def evaluate_height(config: Config) -> dict[str, Any]:
    """The report: ``artefact`` (SHA-256), ``config`` and ``rows``."""
    artefact, composer = load(model_folder(config.artefact)), make_composer()
    asked = {name: getattr(config, name) for name in ("high", "low", "aim", "request", "ramp", "window")}
    file = ReportFile(config.json, COMMAND, config.head(artefact, **asked))
    drop_outdated(file, composer)
    walks = HeightWalks(config, artefact, composer)
    for case in tqdm(config.cases, desc="rows", unit="row", disable=None):
        if not file.has(**case.labels):
            file.add(_row(config, walks, composer, case))
    return file.report


@dataclass(frozen=True)
class HeightRun:
    """What the robots of one row did."""

    height: np.ndarray  # (ticks, B) [m], NaN from a fall on
    scores: RobotScores  # tracking after the request


class HeightWalks:
    """Runs of the robots of ``config``; :attr:`unplanned` is made when it is first asked for."""

    def __init__(self, config: Config, artefact: Prior, composer: RewardComposer) -> None:
        self._config, self._artefact, self._composer = config, artefact, composer

    @cached_property
    def unplanned(self) -> HeightRun:
        """The prior alone, asked for nothing."""
        return self._walk(Case(None, 1))

    def run(self, case: Case) -> HeightRun:
        """The robots under ``case``."""
        return self.unplanned if case.preset is None else self._walk(case)

    def _walk(self, case: Case) -> HeightRun:
        config, heights, scores = self._config, [], []
        settings = config.settings_over_time(self._composer, case)
        for start in range(0, config.robots, GROUP):
            commands, seed = config.commands()[start : start + GROUP], config.seed + start
            controller = planning_controller(
                config, self._artefact, settings, candidates=case.candidates, reward=case.preset is not None, seed=seed
            )
            simulation = BatchSimulation(len(commands), seed=seed, threads=config.threads)
            walked = run_closed_loop(controller, simulation, commands, config.ticks, case.text)
            heights.append(walked.base_height)
            scores.append(RobotScores(walked.survived(), tracking_scores(walked, config.change.tick), {}))
        return HeightRun(np.concatenate(heights, axis=1), RobotScores.concatenate(scores))


def _row(config: Config, walks: HeightWalks, composer: RewardComposer, case: Case) -> dict[str, Any]:
    run = walks.run(case)
    compared = compare(run.scores, walks.unplanned.scores, [], config.seed)
    del compared["penalties"]
    return {
        **case.labels,
        **summary(transitions(run.height, config.change), TARGET_TIME, config.seed),
        **compared,
        "heights": band(run.height, config.change),
        "settings": describe_settings(composer, case.settings(composer)),
        "machine": describe_machine(),
    }


def met(row: Mapping[str, Any]) -> bool:
    """Whether the median robot is there in time and close enough, and they walk on."""
    time, error = row["settling_time"], row["error"]
    reached = time is not None and time <= TARGET_TIME and error is not None and error <= TOLERANCE
    return reached and not row["void"] and row["survival"] >= TARGET_SURVIVAL


def grid(report: Mapping[str, Any]) -> Grid:
    """A line for each row, no planning first."""
    rows = sorted(report["rows"], key=lambda row: (row["preset"] is not None, row["candidates"]))
    title = f"Base height: from {report['config']['high']:g} m to {report['config']['low']:g} m on request"
    headings = ("", "before", "settling", "95 % interval", "settled", f"within {TARGET_TIME:g} s", "error",
                "95 % interval", "tracking", "survival", "target is")  # fmt: skip
    return Grid(title, headings, [_line(row) for row in rows])


def _line(row: Mapping[str, Any]) -> list[str]:
    return [
        Case.of_row(row).text,
        reports.number(row["before"], "{:.3f} m"),
        reports.number(row["settling_time"], "{:.2f} s"),
        _bounds(row["settling_time_interval"], "{:.2f}", 1.0),
        f"{row['settled']:.1%}",
        f"{row['settled_in_time']:.1%}",
        reports.number(None if row["error"] is None else 100.0 * row["error"], "{:.1f} cm"),
        _bounds(row["error_interval"], "{:.1f}", 100.0),
        *reports.walk_texts(row),
        ("met" if met(row) else "missed") if row["preset"] is not None else "",
    ]


def _bounds(interval: list[float | None] | None, form: str, scale: float) -> str:
    """``None`` for a bound stands for never."""
    if interval is None:
        return "-"
    return " .. ".join("never" if bound is None else form.format(scale * bound) for bound in interval)


def plot(path: Path, report: Mapping[str, Any]) -> None:
    """Write a panel for each row: median height, 5 to 95 % of the robots, and what is asked for."""
    config = report["config"]

    def wanted(time: float) -> float:
        share = float(np.clip(time / config["ramp"], 0.0, 1.0)) if config["ramp"] else float(time > 0.0)
        return config["high"] + share * (config["low"] - config["high"])

    panels = {
        Case.of_row(row).text: Series(**row["heights"], wanted=[wanted(time) for time in row["heights"]["time"]])
        for row in report["rows"]
    }
    timeline(path, panels, "time from the request [s]", "base height [m], median and 5 to 95 % of the robots")
