"""What ``evaluate height``, ``energy`` and ``balance`` share: options, the runs without and with a preset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation import report as reports
from diffusion_mpc_ros.evaluation.adaptation.walks import LoopConfig
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.policies.objectives import describe_settings
from diffusion_mpc_ros.rewards.composition import RewardComposer


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig(LoopConfig):
    """Which preset, on which robots, and where the results go."""

    preset: str
    """Preset of config/rewards.yaml that is compared with no planning."""
    candidates: tuple[int, ...] = (10,)
    """Numbers of candidates N, a row for each."""
    json: Path | None = None
    """Write the report to this file after every row; rows that it holds already are kept."""
    markdown: Path | None = None
    """Write the table to this file."""
    plot: Path | None = None
    """Draw the result into this PNG."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.candidates or min(self.candidates) < 1:
            raise ConfigurationError(f"candidates must be at least 1, got {self.candidates}")

    @property
    def cases(self) -> list[Case]:
        """No planning, then the preset with each number of candidates."""
        return [Case(None, 1), *(Case(self.preset, candidates) for candidates in sorted(set(self.candidates)))]


@dataclass(frozen=True)
class Case:
    """The prior alone (``preset`` None: one candidate, no reward, no constraint), or a preset with N candidates."""

    preset: str | None
    candidates: int

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Case:
        """The case that made a row."""
        return cls(row["preset"], row["candidates"])

    @property
    def labels(self) -> dict[str, Any]:
        """What identifies it in a report."""
        return {"preset": self.preset, "candidates": self.candidates}

    @property
    def text(self) -> str:
        """Its name in a table."""
        return reports.UNPLANNED if self.preset is None else f"{self.preset} N={self.candidates}"

    def settings(self, composer: RewardComposer) -> RewardSettings:
        """What the planner is asked for; raises :class:`RewardError` for an unknown preset."""
        return RewardSettings() if self.preset is None else composer.preset_settings(self.preset)


def drop_outdated(file: ReportFile, composer: RewardComposer) -> None:
    """Forget the rows of presets that have changed since: they are measured again."""

    def up_to_date(row: Mapping[str, Any]) -> bool:
        case = Case.of_row(row)
        known = case.preset is None or case.preset in composer.presets
        return known and row["settings"] == describe_settings(composer, case.settings(composer))

    file.rows[:] = [row for row in file.rows if up_to_date(row)]
