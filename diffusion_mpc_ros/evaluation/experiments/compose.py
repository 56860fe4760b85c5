"""Two presets at once (arXiv 2510.04234, IV-B): the penalties with neither, with each alone, and with both.

The presets are those of the objectives of Table II; a pair is the sum of its rewards, without constraints, as
`diffusion-mpc rewards set --preset FIRST+SECOND` asks for it. "neither" is no planning: one sample of the prior alone.
Penalties, intervals and void rows are those of `diffusion-mpc evaluate adaptation`.

examples:
  diffusion-mpc evaluate compose --pairs joint_velocity+energy
  diffusion-mpc evaluate compose --robots 200 --ticks 1000 --json docs/results/compose.json
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation.experiment import WALK, TableExperiment
from diffusion_mpc_ros.evaluation.adaptation.walks import change_texts
from diffusion_mpc_ros.evaluation.experiment import Report, number
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.comparison import compare
from diffusion_mpc_ros.policies.objectives import OBJECTIVES, tick_penalties
from diffusion_mpc_ros.policies.scoring import PenaltyMeter
from diffusion_mpc_ros.rewards.presets import SEPARATOR
from diffusion_mpc_ros.simulation.batch import BatchState

OBJECTIVE_OF = {objective.preset: objective for objective in OBJECTIVES.values()}

Presets = tuple[str, ...]
Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Config(TableExperiment):
    """Which pairs, on which robots, and where the results go."""

    command = "evaluate compose"
    title = "Pairs of presets"

    pairs: tuple[str, ...] = ()
    """Pairs of presets, FIRST+SECOND; default: every pair."""

    def cells(self) -> list[Presets]:
        pairs = choose_pairs(self.pairs)
        alone = dict.fromkeys(name for pair in pairs for name in pair)
        return [*((name,) for name in alone), *pairs]

    def labels(self, cell: Presets) -> dict[str, Any]:
        return {"presets": list(cell)}

    def settings_of(self, labels: Mapping[str, Any]) -> RewardSettings | None:
        if not all(name in self.composer.presets for name in labels["presets"]):
            return None
        return self.composer.apply(0.0, constraints=(), preset=SEPARATOR.join(labels["presets"]))

    def meter(self, initial: BatchState, first: int) -> PenaltyMeter:
        return PenaltyMeter(tick_penalties(self.composer), initial, first)

    def measured(self, cell: Presets, settings: RewardSettings) -> Row:
        """``both_lower``: whether the penalty of every one of the presets is lower than with neither, None: unknown."""
        scores = self.walk(settings, candidates=self.candidates, reward=True, label=SEPARATOR.join(cell))
        result = compare(scores, self.unplanned, list(OBJECTIVES), self.seed)
        changes = [result["penalties"][OBJECTIVE_OF[name].name]["change"] for name in cell]
        return {**self.labels(cell), "both_lower": None if None in changes else max(changes) < 0.0, **result}

    def grids(self, report: Report) -> list[Grid]:
        """Two lines for each pair, one for the penalty of each of its presets."""
        alone = {row["presets"][0]: row for row in report["rows"] if len(row["presets"]) == 1}
        lines = [(row, index) for row in report["rows"] if len(row["presets"]) == 2 for index in (0, 1)]

        def penalty(line: tuple[Row, int], of: Row | None = None) -> Mapping[str, Any]:
            row, index = line
            return (of or row)["penalties"][OBJECTIVE_OF[row["presets"][index]].name]

        def neither(line: tuple[Row, int]) -> str:
            unit = OBJECTIVE_OF[line[0]["presets"][line[1]]].unit
            return f"{number(penalty(line)['unplanned'], '{:.4g}')} {unit}"

        def of_one(line: tuple[Row, int], other: bool) -> str:
            row, index = line
            return change_texts(penalty(line, alone[row["presets"][index ^ other]]))[0]

        columns = (
            ("both", lambda line: "" if line[1] else SEPARATOR.join(line[0]["presets"])),
            ("penalty of", lambda line: line[0]["presets"][line[1]]),
            ("neither", neither),
            ("alone", lambda line: of_one(line, False)),
            ("the other alone", lambda line: of_one(line, True)),
            ("both", lambda line: change_texts(penalty(line))[0]),
            ("95 % interval", lambda line: change_texts(penalty(line))[1]),
            *((heading, lambda line, text=text: text(line[0])) for heading, text in WALK),
            (
                "both lower",
                lambda line: "" if line[1] else {True: "yes", False: "no", None: "-"}[line[0]["both_lower"]],
            ),
        )
        title = f"Pairs of presets, N = {report['config']['candidates']}: penalties against neither"
        return [Grid.of(title, columns, lines)]


def choose_pairs(names: Sequence[str]) -> list[Pair]:
    """Return the pairs that ``names`` stand for, in the order of Table II, or all of them.

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
