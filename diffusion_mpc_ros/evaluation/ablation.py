"""Table "ablation" of `evaluate finetune`: what each part of finetuning is worth, over several training seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.evaluation.experiment import number
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.conditions import FLAT_CONDITION

TABLE = "ablation"


def finetuning_of(artefact: Prior) -> list[dict[str, Any]]:
    """What the card tells of the runs of finetuning, the oldest first."""
    return artefact.card["training"]["configuration"].get("finetuning", [])


def training_seed(artefact: Prior) -> int:
    """Seed of the last of them; raises ConfigurationError for an artefact that was not finetuned."""
    runs = finetuning_of(artefact)
    if not runs:
        raise ConfigurationError(f"{artefact.path} was not finetuned: its card tells of no such run")
    return runs[-1]["config"]["seed"]


@dataclass(frozen=True)
class Variant:
    """A training of the variant ``name``, which made the artefact in ``folder``."""

    name: str
    folder: str

    @classmethod
    def parse(cls, text: str) -> Variant:
        """Read ``VARIANT=FOLDER``; raises ConfigurationError."""
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise ConfigurationError(f"{text!r} is no VARIANT=FOLDER, such as 'no replay=runs/no_replay_1/artefact'")
        return cls(name, folder)

    @cached_property
    def artefact(self) -> Prior:
        """What came of it."""
        return load(model_folder(self.folder))

    @property
    def method(self) -> str:
        """What its rows are called."""
        return f"{self.name}, seed {training_seed(self.artefact)}"


def grid(rows: Sequence[Row], variants: Sequence[Variant], untuned: str) -> Grid:
    """A line for each variant: survival and error off flat ground and on it, means over conditions and commands.

    Over the seeds the mean and, where there are several, the smallest and the largest.
    """

    def scores(method: str, flat: bool) -> tuple[float, float]:
        of_method = [each for each in rows if each["method"] == method]
        chosen = [each for each in of_method if (each["condition"] == FLAT_CONDITION.name) == flat]
        errors = [np.nan if each["velocity_error"] is None else each["velocity_error"] for each in chosen]
        return float(np.mean([each["survival"] for each in chosen] or [np.nan])), float(np.mean(errors or [np.nan]))

    def line(name: str, methods: Sequence[str]) -> tuple[str, ...]:
        columns = [[scores(method, flat)[which] for method in methods] for flat in (False, True) for which in (0, 1)]
        texts = ("{:.1%}", "{:.3f}", "{:.1%}", "{:.3f}")
        return name, str(len(methods)), *(spread(column, text) for column, text in zip(columns, texts))

    methods: dict[str, list[str]] = {untuned: [untuned]}
    for variant in variants:
        methods.setdefault(variant.name, []).append(variant.method)
    headings = ("variant", "seeds", "survival", "velocity error [m/s]", "survival on flat ground", "velocity error")
    return Grid("What each part is worth", headings, [line(name, each) for name, each in methods.items()])


def spread(values: Sequence[float], text: str) -> str:
    """Mean of ``values`` and, of several, the range, each written as ``text``."""
    mean = number(float(np.mean(values)), text)
    return mean if len(values) < 2 else f"{mean} ({number(min(values), text)} to {number(max(values), text)})"
