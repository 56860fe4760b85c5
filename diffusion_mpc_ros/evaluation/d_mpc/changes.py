"""Robots that have changed, every robot of a walk in the same way, and what was adapted to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffusion_mpc_ros.artefacts.card import read_card
from diffusion_mpc_ros.artefacts.kinds import PRIOR
from diffusion_mpc_ros.evaluation import bag_minutes
from diffusion_mpc_ros.evaluation.bag_minutes import FromBag, mended
from diffusion_mpc_ros.evaluation.experiment import number
from diffusion_mpc_ros.evaluation.report_file import Row, matches
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.planners.d_mpc.planner import NAME as D_MPC
from diffusion_mpc_ros.planners.diffusion_mpc.planner import NAME as DIFFUSION_MPC
from diffusion_mpc_ros.policies.conditions import FLAT_CONDITION, Condition
from diffusion_mpc_ros.simulation import changes
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.changes import changed_model
from diffusion_mpc_ros.simulation.ground.ground import FLAT, Ground
from diffusion_mpc_ros.simulation.randomization import Randomization


class Change(NamedTuple):
    """What all robots of a walk are, and what they walk on: drawn as a ``randomization`` says, or with a ``hidden``
    change of :mod:`simulation.changes`.
    """

    randomization: Randomization | None = None
    ground: Ground = FLAT
    hidden: str = ""

    @classmethod
    def of(cls, condition: Condition) -> Change:
        """Of a condition with one ground."""
        return cls(condition.randomization, condition.draw_ground(np.random.default_rng(0)))

    def simulation(self, robots: int, *, seed: int, threads: int) -> BatchSimulation:
        """Return such robots."""
        return BatchSimulation(
            robots, seed=seed, threads=threads, randomization=self.randomization, ground=self.ground,
            model=changed_model(self.hidden) if self.hidden else None,
        )  # fmt: skip


UNCHANGED = FLAT_CONDITION.name
CHANGES = {
    UNCHANGED: Change(),
    **{name: Change.of(condition) for name, condition in bag_minutes.CHANGES.items()},
    **{name: Change(hidden=name) for name in changes.CHANGES},
}


def planner_of(bag: FromBag) -> str:
    """Name of the planner whose artefact was adapted to a bag; raises :class:`ArtefactError` for one that is none."""
    return DIFFUSION_MPC if read_card(bag.folder)["kind"] == PRIOR.name else D_MPC


def adapted_method(bag: FromBag) -> str:
    """What the rows of an artefact that was adapted to a bag are called."""
    return f"{planner_of(bag)}, {bag.method}"


def grid(rows: Sequence[Row], bags: Sequence[FromBag]) -> Grid:
    """A line for each of ``bags``: what the change costs, and what adapting to it mends of that."""

    def value(case: str, method: str, name: str) -> float:
        found = [row[name] for row in rows if matches(row, {"case": case, "method": method}) and row[name] is not None]
        return found[0] if found else np.nan

    def line(bag: FromBag) -> tuple[str, ...]:
        methods = planner_of(bag), adapted_method(bag)
        survival = [value(bag.change, each, "survival") for each in methods]
        errors = [value(case, each, "velocity_error") for case in (bag.change, UNCHANGED) for each in methods]
        share = mended(errors[2], errors[0], errors[1])
        texts = [*(number(each, "{:.1%}") for each in survival), *(number(each, "{:.3f}") for each in errors)]
        return bag.change, methods[0], f"{bag.minutes:g}", *texts, number(share, "{:.0%}")

    headings = (
        "change", "planner", "minutes", "survival before", "after", "velocity error before [m/s]", "after",
        "unchanged robot before", "after", "loss mended",
    )  # fmt: skip
    return Grid("Adapted to minutes of a changed robot", headings, [line(bag) for bag in bags])
