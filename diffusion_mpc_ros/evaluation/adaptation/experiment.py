"""What ``evaluate height``, ``energy`` and ``balance`` share: options, the runs without and with a preset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation.walks import UNPLANNED, WalksExperiment, change_texts, walk_texts
from diffusion_mpc_ros.evaluation.experiment import PlottedExperiment
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Column
from diffusion_mpc_ros.policies.comparison import TARGET_SURVIVAL
from diffusion_mpc_ros.rewards.composition import RewardComposer


@dataclass(frozen=True)
class Case:
    """The prior alone (``preset`` None: one candidate, no reward, no constraint), or a preset with N candidates."""

    preset: str | None
    candidates: int

    @property
    def labels(self) -> dict[str, Any]:
        """What identifies it in a report."""
        return {"preset": self.preset, "candidates": self.candidates}

    @property
    def text(self) -> str:
        """Its name in a table."""
        return UNPLANNED if self.preset is None else f"{self.preset} N={self.candidates}"

    def settings(self, composer: RewardComposer) -> RewardSettings:
        """Return what the planner is asked for; raises :class:`RewardError` for an unknown preset."""
        return RewardSettings() if self.preset is None else composer.preset_settings(self.preset)


@dataclass(frozen=True, kw_only=True)
class PresetExperiment(WalksExperiment, PlottedExperiment):
    """One preset against no planning."""

    preset: str
    """Preset of config/rewards.yaml that is compared with no planning."""
    candidates: tuple[int, ...] = (10,)
    """Numbers of candidates N, a row for each."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_below_one("candidates")

    def cells(self) -> list[Any]:
        """No planning, then the preset with each number of candidates."""
        return [Case(None, 1), *(Case(self.preset, candidates) for candidates in sorted(set(self.candidates)))]

    def settings_of(self, labels: Mapping[str, Any]) -> RewardSettings | None:
        """See :class:`WalksExperiment`; raises :class:`RewardError` for an unknown preset that is asked for."""
        preset = labels["preset"]
        if preset not in (None, self.preset) and preset not in self.composer.presets:
            return None
        return case_of(labels).settings(self.composer)


# Columns of the tables.
CHANGE: tuple[Column, ...] = (
    ("change", lambda row: change_texts(row)[0]),
    ("95 % interval", lambda row: change_texts(row)[1]),
)
WALK: tuple[Column, ...] = (
    ("tracking", lambda row: walk_texts(row)[0]),
    ("survival", lambda row: walk_texts(row)[1]),
)


@dataclass(frozen=True, kw_only=True)
class TableExperiment(WalksExperiment):
    """One table, all rows with the same number of candidates."""

    asked = ("candidates",)

    candidates: int = 10
    """Candidates N."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_below_one("candidates")


def case_of(row: Mapping[str, Any]) -> Case:
    """Return the case that made a row."""
    return Case(row["preset"], row["candidates"])


def in_order(rows: list[Row]) -> list[Row]:
    """No planning first."""
    return sorted(rows, key=lambda row: (row["preset"] is not None, row["candidates"]))


def keeps_walking(row: Mapping[str, Any]) -> bool:
    """Whether tracking and survival are as every target asks."""
    return not row["void"] and row["survival"] >= TARGET_SURVIVAL


def verdict(row: Mapping[str, Any], met: bool) -> str:
    """Whether the target is met, in a table; "" for no planning."""
    return "" if row["preset"] is None else "met" if met else "missed"
