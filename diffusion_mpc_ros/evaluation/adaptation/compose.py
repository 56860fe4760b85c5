"""Two presets at once (arXiv 2510.04234, IV-B): the penalties with neither, with each alone, and with both.

The presets are those of the objectives of Table II; a pair is the sum of its rewards, without constraints, as
`diffusion-mpc rewards set --preset FIRST+SECOND` asks for it. "neither" is no planning: one sample of the prior alone.
Penalties, intervals and void rows are those of `diffusion-mpc evaluate adaptation`.

A file that --json names is continued: its rows with the same artefact and settings are not run again.

examples:
  diffusion-mpc evaluate compose --pairs joint_velocity+energy
  diffusion-mpc evaluate compose --robots 200 --ticks 1000 --json docs/results/compose.json
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.adaptation import report as reports
from diffusion_mpc_ros.evaluation.adaptation.page import publish
from diffusion_mpc_ros.evaluation.adaptation.walks import TableConfig, Walks
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.comparison import compare
from diffusion_mpc_ros.policies.objectives import (
    OBJECTIVES,
    describe_settings,
    make_composer,
    tick_penalties,
)
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.rewards.presets import SEPARATOR

COMMAND = "evaluate compose"
OBJECTIVE_OF = {objective.preset: objective for objective in OBJECTIVES.values()}

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Config(TableConfig):
    """Which pairs, on which robots, and where the results go."""

    pairs: tuple[str, ...] = ()
    """Pairs of presets, FIRST+SECOND; default: every pair."""


def main(config: Config) -> None:
    """Run, print, and write the reports when asked."""
    report = evaluate_compose(config)
    publish(
        report, [grid(report)], "Pairs of presets",
        "neither: no planning. The other columns are changes of the mean penalty against it, of the robots that "
        "survived both walks. Tracking below 0.97 of that without planning makes a row void.",
        config.markdown,
    )  # fmt: skip


def evaluate_compose(config: Config) -> dict[str, Any]:
    """The report: ``artefact`` (SHA-256), ``config`` and ``rows``, one for each preset and each pair."""
    artefact, composer = load(model_folder(config.artefact)), make_composer()
    penalties = tick_penalties(composer)
    chosen = choose_pairs(config.pairs)
    file = ReportFile(config.json, COMMAND, config.head(artefact, candidates=config.candidates))
    # A row measured under a preset that has changed since is measured again.
    file.rows[:] = [row for row in file.rows if row["settings"] == _settings_now(composer, row["presets"])]
    walks = Walks(config, artefact, penalties)
    alone = dict.fromkeys(name for pair in chosen for name in pair)
    for presets in tqdm([*((name,) for name in alone), *chosen], desc="rows", unit="row", disable=None):
        if not file.has(presets=list(presets)):
            file.add(_row(config, walks, composer, presets))
    return file.report


def choose_pairs(names: Sequence[str]) -> list[Pair]:
    """The pairs that ``names`` stand for, in the order of Table II, or all of them.

    Raises :class:`ConfigurationError` for what is not a pair of two of the presets.
    """
    pairs = list(combinations(OBJECTIVE_OF, 2))
    if not names:
        return pairs
    valid = {frozenset(pair): pair for pair in pairs}
    unknown = [name for name in names if frozenset(name.split(SEPARATOR)) not in valid]
    if unknown:
        texts = ", ".join(SEPARATOR.join(pair) for pair in pairs)
        raise ConfigurationError(f"no pairs of presets of Table II: {unknown}; valid pairs: {texts}")
    return list(dict.fromkeys(valid[frozenset(name.split(SEPARATOR))] for name in names))


def composed_settings(composer: RewardComposer, names: Sequence[str]) -> RewardSettings:
    """The settings of the presets ``names`` together, without constraints."""
    return composer.apply(0.0, constraints=(), preset=SEPARATOR.join(names))


def _settings_now(composer: RewardComposer, names: Sequence[str]) -> dict[str, Any] | None:
    if not all(name in composer.presets for name in names):
        return None
    return describe_settings(composer, composed_settings(composer, names))


def _row(config: Config, walks: Walks, composer: RewardComposer, names: Sequence[str]) -> dict[str, Any]:
    """``both_lower``: whether the penalty of every one of the presets is lower than with neither; None when unknown."""
    settings = composed_settings(composer, names)
    scores = walks.run(settings, candidates=config.candidates, reward=True, label=SEPARATOR.join(names))
    result = compare(scores, walks.unplanned, list(OBJECTIVES), config.seed)
    changes = [result["penalties"][OBJECTIVE_OF[name].name]["change"] for name in names]
    return {
        "presets": list(names),
        "both_lower": None if None in changes else max(changes) < 0.0,
        **result,
        "settings": describe_settings(composer, settings),
        "machine": describe_machine(),
    }


def grid(report: Mapping[str, Any]) -> Grid:
    """Two lines for each pair, one for the penalty of each of its presets."""
    rows = {tuple(row["presets"]): row for row in report["rows"]}
    lines = []
    for pair, row in rows.items():
        if len(pair) == 2:
            lines += [_line(rows, row, pair, index) for index in (0, 1)]
    headings = ("both", "penalty of", "neither", "alone", "the other alone", "both", "95 % interval", "tracking",
                "survival", "both lower")  # fmt: skip
    return Grid(f"Pairs of presets, N = {report['config']['candidates']}: penalties against neither", headings, lines)


def _line(rows: Mapping[tuple, Mapping[str, Any]], row: Mapping[str, Any], pair: Pair, index: int) -> list[str]:
    own, other = pair[index], pair[1 - index]
    objective = OBJECTIVE_OF[own]
    penalty = row["penalties"][objective.name]
    verdict = {True: "yes", False: "no", None: "-"}[row["both_lower"]]
    return [
        SEPARATOR.join(pair) if index == 0 else "",
        own,
        f"{reports.number(penalty['unplanned'], '{:.4g}')} {objective.unit}",
        *(reports.change_texts(rows[name,]["penalties"][objective.name])[0] for name in (own, other)),
        *reports.change_texts(penalty),
        *reports.walk_texts(row),
        verdict if index == 0 else "",
    ]
