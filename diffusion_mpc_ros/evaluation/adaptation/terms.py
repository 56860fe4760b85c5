"""What a preset does to its own reward terms, in the realised walk: the effect of any term, without further code.

The same robots walk the same random forward commands without planning and under each preset. The terms that the preset
weighs, or sets a parameter of, are then worked out of what the robots really did: the functions that guide the plans,
in NumPy, over windows as long as a plan, with measured outcomes in the place of predicted ones. Terms whose outcome a
walk cannot be measured by (a cost-to-go, a step frequency) are left out. Changes are of robots that survived both
walks, with 95 % bootstrap intervals over the robots.

A file that --json names is continued: its rows with the same artefact and settings are not run again.

examples:
  diffusion-mpc evaluate terms --presets limp soft_range
  diffusion-mpc evaluate terms --robots 48 --ticks 500 --json docs/results/terms.json
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.evaluation.adaptation import report as reports
from diffusion_mpc_ros.evaluation.adaptation.page import publish
from diffusion_mpc_ros.evaluation.adaptation.realised_terms import TermMeter, asked_terms
from diffusion_mpc_ros.evaluation.adaptation.walks import GROUP, TableConfig, planning_controller
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, run_closed_loop
from diffusion_mpc_ros.policies.comparison import RobotScores, compare
from diffusion_mpc_ros.policies.objectives import describe_settings, make_composer
from diffusion_mpc_ros.policies.scoring import tracking_scores
from diffusion_mpc_ros.rewards.registry import TERMS
from diffusion_mpc_ros.simulation.batch import BatchSimulation

COMMAND = "evaluate terms"


@dataclass(frozen=True, kw_only=True)
class Config(TableConfig):
    """Which presets, on which robots, and where the results go."""

    presets: tuple[str, ...] = ("limp", "still_leg", "slow_leg", "gentle_leg", "soft_range")
    """Presets of config/rewards.yaml, or several at once, FIRST+SECOND."""


def main(config: Config) -> None:
    """Run, print, and write the reports when asked."""
    report = evaluate_terms(config)
    publish(
        report, [grid(report)], "Reward terms",
        "Penalty: minus the term, worked out of the realised walk over windows as long as a plan, mean over them and "
        "over the robots that survived both walks; change: against no planning, with a 95 % bootstrap interval over "
        "the robots. Tracking below 0.97 of that without planning makes a row void.",
        config.markdown,
    )  # fmt: skip


def evaluate_terms(config: Config) -> dict[str, Any]:
    """The report: ``artefact`` (SHA-256), ``config`` and ``rows``, one for each term of a preset."""
    artefact, composer = load(model_folder(config.artefact)), make_composer()
    presets = {name: composer.preset_settings(name) for name in config.presets}
    nothing = [name for name, settings in presets.items() if not asked_terms(settings)]
    if nothing:
        raise ConfigurationError(f"presets without a term that a walk can be measured by: {', '.join(nothing)}")
    described = {name: describe_settings(composer, settings) for name, settings in presets.items()}
    file = ReportFile(config.json, COMMAND, config.head(artefact, candidates=config.candidates))
    # A row measured under a preset that has changed since is measured again.
    file.rows[:] = [row for row in file.rows if described.get(row["preset"], row["settings"]) == row["settings"]]
    unplanned: RobotScores | None = None
    for name, settings in tqdm(presets.items(), desc="presets", unit="preset", disable=None):
        missing = [term for term in asked_terms(settings) if not file.has(preset=name, term=term)]
        if not missing:
            continue
        if unplanned is None:
            unplanned = walk(config, artefact, presets, RewardSettings(), 1, "no planning")
        scores = walk(config, artefact, presets, settings, config.candidates, name)
        compared = compare(scores, unplanned, [(name, term) for term in missing], config.seed)
        for (_, term), measured in compared.pop("penalties").items():
            labels = {"preset": name, "term": term, "unit": TERMS[term].unit}
            file.add({**labels, **measured, **compared, "settings": described[name], "machine": describe_machine()})
    return file.report


def walk(
    config: Config,
    artefact: Prior,
    presets: Mapping[str, RewardSettings],
    settings: RewardSettings,
    candidates: int,
    label: str,
) -> RobotScores:
    """The robots of ``config`` under ``settings``; penalties by preset and term, of all ``presets``."""
    parts, first = [], min(SETTLING_TICKS, config.ticks - artefact.description.horizon)
    if first < 0:
        raise ConfigurationError(f"a walk of {config.ticks} ticks holds no window of {artefact.description.horizon}")
    for start in range(0, config.robots, GROUP):
        commands, seed = config.commands()[start : start + GROUP], config.seed + start
        simulation = BatchSimulation(len(commands), seed=seed, threads=config.threads)
        planner = planning_controller(
            config, artefact, lambda tick: settings, candidates=candidates, reward=True, seed=seed
        )
        meter = TermMeter(planner, presets, simulation.state, first, artefact.description.horizon)
        walked = run_closed_loop(meter, simulation, commands, config.ticks, label, watch=meter.add)
        parts.append(RobotScores(walked.survived(), tracking_scores(walked, first), meter.means()))
    return RobotScores.concatenate(parts)


def grid(report: Mapping[str, Any]) -> Grid:
    """A line a preset and term."""
    headings: Sequence[str] = (
        "preset", "term", "no planning", "penalty", "change", "95 % interval", "tracking", "survival",
    )  # fmt: skip
    lines = [
        [
            row["preset"],
            row["term"],
            *(f"{reports.number(row[key], '{:.3g}')} {row['unit']}" for key in ("unplanned", "penalty")),
            *reports.change_texts(row),
            *reports.walk_texts(row),
        ]
        for row in report["rows"]
    ]
    return Grid(f"Reward terms in the realised walk, N = {report['config']['candidates']}", headings, lines)
