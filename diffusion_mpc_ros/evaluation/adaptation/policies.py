"""Rows of policies beside Table II: the plain demonstrator, and for each objective the specialist, its ceiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation.walks import WalksExperiment
from diffusion_mpc_ros.policies.comparison import RobotScores
from diffusion_mpc_ros.policies.demonstrator import (
    DEMONSTRATOR,
    SPECIALIST,
    DemonstratorPolicy,
    DemonstratorWalker,
    specialist_folder,
)
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.policies.objectives import Objective
from diffusion_mpc_ros.rewards.composition import RewardComposer


def measuring_settings(composer: RewardComposer, objective: Objective) -> RewardSettings:
    """No reward and no constraint; with the parameters by which the penalty is measured."""
    return RewardSettings(parameters=composer.preset_settings(objective.preset).parameters)


@dataclass(frozen=True)
class PolicyCell:
    """A ``policy`` in place of the planner, :data:`DEMONSTRATOR` or :data:`SPECIALIST` for this objective."""

    objective: Objective
    name: str
    policy: DemonstratorPolicy

    @property
    def labels(self) -> dict[str, Any]:
        """What identifies the row: the key ``policy``, which the planner's rows do not have, and no candidates."""
        return {
            "objective": self.objective.name, "candidates": None, "reward": False, "constraint": False,
            "policy": self.name, "policy_sha256": self.policy.sha256,
        }  # fmt: skip

    def scores(self, walks: WalksExperiment, settings: RewardSettings) -> RobotScores:
        """Return the policy's walk in the default gait, called at every tick and without delay; walked once."""
        label = self.name if self.name == DEMONSTRATOR else f"{self.objective.name} {self.name}"
        if self.policy not in walks.of_policies:
            walks.of_policies[self.policy] = walks.score(
                lambda robots, seed: DemonstratorWalker(self.policy, GaitCommand.default(robots)), label
            )
        return walks.of_policies[self.policy]

    def is_outdated(self, row: Mapping[str, Any]) -> bool:
        """Whether ``row`` is this cell's, of another policy."""
        same = row["objective"] == self.objective.name and row.get("policy") == self.name
        return same and row["policy_sha256"] != self.policy.sha256


def policy_cells(objectives: Sequence[Objective], demonstrator: str | None, specialists: Path) -> list[PolicyCell]:
    """Two rows for each objective; without ``demonstrator``, or where a specialist is missing, which is said, fewer.

    ``demonstrator``: its name in ``models/`` or its folder; ``specialists``: see :func:`specialist_folder`. Raises
    :class:`ConfigurationError` for an unknown demonstrator, :class:`ArtefactError` for files that do not fit.
    """
    plain = None if demonstrator is None else DemonstratorPolicy(model_folder(demonstrator))
    cells, missing = [], []
    for objective in objectives:
        if plain is not None:
            cells.append(PolicyCell(objective, DEMONSTRATOR, plain))
        folder = specialist_folder(specialists, objective.name)
        if folder.is_dir():
            cells.append(PolicyCell(objective, SPECIALIST, DemonstratorPolicy(folder)))
        else:
            missing.append(objective.name)
    if missing:
        print(
            f"no ceiling for {', '.join(missing)}: {specialist_folder(specialists, missing[0])} is not there "
            f"(diffusion-mpc train specialist --objective {missing[0]})"
        )
    return cells
