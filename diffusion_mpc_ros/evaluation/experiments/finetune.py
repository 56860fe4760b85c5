"""Conditions that demonstrations lack x methods: survival and velocity error, untuned and finetuned side by side.

Table "ground": payload, weak motors, slopes, rough, soft and slippery ground and pushes at --walked, and flat ground
at every command of `evaluate walk`. Table "III" (arXiv 2510.04234): the randomisation of Table I at .5, .7 and 1 m/s.
Table "V": the same speeds in real time, --walks of 10 m by the five processes, each with another robot drawn from
Table I (payload, friction, motors); a walk counts that is 10 m long and without a fall.
Table "scratch": flat ground at .3 and .5 m/s and turning at .5 rad/s, a method for each of --scratch; --plot draws what
their training tried out, over its minutes. D = 3, R = 2, N = 1, no guidance; the same robots
for all methods, of a seed that no training saw. Errors are those of every tick before a fall, after the first 100.
Minutes are the processor time of finetuning that the artefact's card tells, with what it was finetuned from.
The method by_slope, of table "ground", is guided as reward_composer.slope_presets does it (docs/rewards.md). Robots of
a batch share their weights: the slope under the median robot chooses.

Table "ablation": the conditions of "ground", a method for each of --ablation: trainings that differ in one thing,
several seeds of each, to tell what it is worth from chance.

Table "bag": artefacts finetuned from minutes of a robot that was recorded with a change (--bags; here minutes are those
of the bag), with that change and without it, at every command of `evaluate walk`. Of the velocity error that the change
costs the untuned artefact, the loss, it says which share is mended.

examples:
  diffusion-mpc evaluate finetune --methods.finetuned runs/finetune/artefact --robots 32 --ticks 500
  diffusion-mpc evaluate finetune --tables bag --robots 25 --bags "payload 8 kg:5=runs/finetune_bag/artefact"
  diffusion-mpc evaluate finetune --robots 200 --json docs/results/finetune.json --markdown docs/results/finetune.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.evaluation import ablation, bag_minutes
from diffusion_mpc_ros.evaluation.ablation import Variant, finetuning_of, training_seed
from diffusion_mpc_ros.evaluation.bag_minutes import FromBag
from diffusion_mpc_ros.evaluation.commanded import command_text
from diffusion_mpc_ros.evaluation.experiment import PlottedExperiment, Report, number
from diffusion_mpc_ros.evaluation.live_walk import randomised_robot, walk_live
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.plots import curves
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.by_slope import BySlopeController
from diffusion_mpc_ros.policies.closed_loop import COMMANDS, BatchController, WalkScores, run_closed_loop
from diffusion_mpc_ros.policies.condition_walks import shipped_controller
from diffusion_mpc_ros.policies.conditions import (
    FLAT_CONDITION,
    NAMED,
    RANDOMISED,
    TABLE_I,
    Condition,
    MixedSimulation,
)
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.policies.intervals import finite
from diffusion_mpc_ros.realtime.velocity_feedback import VELOCITY_FEEDBACK

GROUND, TABLE_III, TABLE_V, SCRATCH = "ground", "III", "V", "scratch"
BAG, ABLATION = bag_minutes.TABLE, ablation.TABLE
TABLES = (GROUND, TABLE_III, TABLE_V, SCRATCH, BAG, ABLATION)
UNTUNED, FINETUNED, DEMONSTRATOR, BY_SLOPE = "untuned", "finetuned", "demonstrator", "by_slope"
FORWARD = ((0.5, 0.0, 0.0), (0.7, 0.0, 0.0), (1.0, 0.0, 0.0))
# Of a walk of table V [m], and how much longer than at the commanded speed it may take.
DISTANCE, SLACK = 10.0, 1.1
STEERED = ((0.3, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.0, 0.5))


@dataclass(frozen=True)
class Methods:
    """Artefacts by what was done to them, each a name in models/ or a folder; "" leaves a method out.

    ``by_slope``: see above.
    """

    untuned: str = "go2"
    finetuned: str = ""
    by_slope: str = ""


@dataclass(frozen=True)
class Cell:
    """A method in a condition of a table, at these commands."""

    table: str
    condition: str
    method: str
    commands: tuple[tuple[float, float, float], ...]

    @property
    def labels(self) -> dict[str, Any]:
        """What identifies its rows."""
        return {"table": self.table, "condition": self.condition, "method": self.method}


@dataclass(frozen=True, kw_only=True)
class Config(PlottedExperiment):
    """Which artefacts, in which tables, on how many robots, and where the results go."""

    command = "evaluate finetune"
    title = "Finetuning"
    size = "{robots} robots x {ticks} ticks for each row, D = 3, R = 2, N = 1, seed {seed}"
    unit = "cell"

    methods: Methods = field(default_factory=Methods)
    """Artefacts that are compared."""
    tables: tuple[str, ...] = (GROUND,)
    """ground, III, V, scratch, bag, ablation."""
    scratch: tuple[str, ...] = ()
    """For the table "scratch": what `train scratch` made, a folder for each of its seeds."""
    bags: tuple[str, ...] = ()
    """For the table "bag": CHANGE:MINUTES=FOLDER each, the artefact finetuned from so much of a changed robot."""
    ablation: tuple[str, ...] = ()
    """For the table "ablation": VARIANT=FOLDER each, the artefact of a training; the same variant for several seeds."""
    conditions: tuple[str, ...] = tuple(NAMED)
    """Conditions of the tables "ground" and "ablation", by name."""
    walked: tuple[float, float, float] = (0.5, 0.0, 0.0)
    """Command in the conditions (vx, vy [m/s], yaw rate [rad/s])."""
    with_demonstrator: bool = False
    """Let the demonstrator walk the table "ground" too, without delay."""
    robots: int = 200
    """Robots for each condition and command."""
    ticks: int = 1000
    """Control ticks that they walk; the first 100 do not count."""
    walks: int = 10
    """Walks in real time for each speed of the table V."""
    seed: int = 4211
    """Seed of robots, grounds, pushes and sampling noise."""
    threads: int = 1
    """Threads of the simulator and of the planner."""
    backend: str = "onnxruntime"
    """Inference backend: auto, onnxruntime, openvino."""
    velocity_feedback: float = VELOCITY_FEEDBACK
    """Gain of the velocity feedback [1/s], see planner.velocity_feedback; 0: none."""

    def __post_init__(self) -> None:
        self.refuse_below_one("robots", "ticks", "walks", "threads")
        for name, values, valid in (("tables", self.tables, TABLES), ("conditions", self.conditions, NAMED)):
            unknown = [value for value in values if value not in valid]
            if unknown or not values:
                raise ConfigurationError(
                    f"{name} must be some of {', '.join(valid)}; got {', '.join(values) or 'none'}"
                )

        for table, given, needed in (
            (SCRATCH, self.scratch, "artefacts of `train scratch`"),
            (BAG, self.bags, "artefacts that were finetuned from bags"),
            (ABLATION, self.ablation, "artefacts of trainings that differ in one thing"),
        ):
            if table in self.tables and not given:
                option = "bags" if table == BAG else table
                raise ConfigurationError(f"the table {table} needs --{option}: {needed}")

    @cached_property
    def from_bags(self) -> tuple[FromBag, ...]:
        """The artefacts of the table "bag"; raises ConfigurationError."""
        return tuple(map(FromBag.parse, self.bags)) if BAG in self.tables else ()

    @cached_property
    def artefacts(self) -> dict[str, Prior]:
        """The methods' artefacts by name."""
        folders = {name: folder for name, folder in vars(self.methods).items() if folder}
        folders |= {bag.method: str(bag.folder) for bag in self.from_bags}
        artefacts = {name: load(model_folder(folder)) for name, folder in folders.items()}
        return artefacts | self.from_scratch | {each.method: each.artefact for each in self.variants}

    @cached_property
    def from_scratch(self) -> dict[str, Prior]:
        """The artefacts of --scratch by name, which says the seed of the training."""
        artefacts = [load(model_folder(folder)) for folder in self.scratch] if SCRATCH in self.tables else []
        return {f"scratch, seed {training_seed(each)}": each for each in artefacts}

    @cached_property
    def variants(self) -> list[Variant]:
        """The artefacts of --ablation; raises ConfigurationError."""
        return [Variant.parse(text) for text in self.ablation] if ABLATION in self.tables else []

    @cached_property
    def identities(self) -> dict[str, str]:
        """SHA-256 of the methods' artefacts by name."""
        return {name: artefact.identity for name, artefact in self.artefacts.items()}

    @property
    def head(self) -> dict[str, Any]:
        names = ("robots", "ticks", "walks", "seed", "walked", "backend", "velocity_feedback")
        config = {name: getattr(self, name) for name in names}
        return {"config": config, "machine": describe_machine()}

    def summary(self, rows: Sequence[Row]) -> dict[str, Any]:
        shipped = self.identities.get(FINETUNED, next(iter(self.identities.values()), ""))
        return {"artefact": shipped, "artefacts": self.identities}

    def outdated(self, row: Row) -> bool:
        """Whether the row's method is another artefact by now: those of the others stay."""
        return row["artefact"] != self.identities.get(row["method"], row["artefact"])

    def cells(self) -> list[Cell]:
        cells = []
        for table in self.tables:
            if table == BAG:
                cells += self._of_bags()
                continue
            methods = [method for method, folder in vars(self.methods).items() if folder]
            methods = [method for method in methods if method != BY_SLOPE or table == GROUND]
            methods += [each.method for each in self.variants] if table == ABLATION else []
            for method in self.from_scratch if table == SCRATCH else methods:
                cells += self._of_table(table, method)
            if table == GROUND and self.with_demonstrator:
                cells += self._of_table(table, DEMONSTRATOR)
        return cells

    def _of_table(self, table: str, method: str) -> list[Cell]:
        if table in (TABLE_III, TABLE_V):
            return [Cell(table, RANDOMISED.name, method, FORWARD)]
        if table == SCRATCH:
            return [Cell(table, "flat", method, STEERED)]
        commands = {FLAT_CONDITION.name: COMMANDS}
        return [Cell(table, name, method, commands.get(name, (self.walked,))) for name in self.conditions]

    def _of_bags(self) -> list[Cell]:
        changes = dict.fromkeys(bag.change for bag in self.from_bags)
        pairs = [(name, UNTUNED) for name in (bag_minutes.UNCHANGED, *changes)]
        pairs += [(name, bag.method) for bag in self.from_bags for name in (bag_minutes.UNCHANGED, bag.change)]
        return [Cell(BAG, condition, method, COMMANDS) for condition, method in pairs]

    def run(self, cell: Cell) -> Sequence[Row]:
        scores = self.walk_live(cell) if cell.table == TABLE_V else self.summaries(cell)
        return [
            {
                **cell.labels,
                "artefact": self.identities.get(cell.method, ""),
                "minutes": self.minutes(cell.method),
                "command": list(command),
                **score,
                "robots": self.walks if cell.table == TABLE_V else self.robots,
                "seed": self.seed,
            }
            for command, score in zip(cell.commands, scores)
        ]

    def summaries(self, cell: Cell) -> list[Row]:
        """Survival and errors at each command of the cell."""
        scores, rows = self.walk(cell), []
        for index in range(len(cell.commands)):
            summary = scores.summary(np.repeat(np.arange(len(cell.commands)) == index, self.robots))
            names = ("velocity_error", "yaw_rate_error")
            rows.append({"survival": summary["survival"], **{name: finite(summary[name]) for name in names}})
        return rows

    def walk_live(self, cell: Cell) -> list[Row]:
        """The same of walks in real time; all methods and speeds meet the same robots."""
        planner = f"planner.artefact={model_folder(getattr(self.methods, cell.method))}"
        rows = []
        for command in cell.commands:
            rng = np.random.default_rng(self.seed)
            robots = [randomised_robot(TABLE_I, rng) for _ in range(self.walks)]
            seconds = SLACK * DISTANCE / command[0]
            walks = [walk_live(command, seconds, (planner, *robot)) for robot in robots]
            arrived = [walk.stood and walk.distance >= DISTANCE for walk in walks]
            rows.append({
                "survival": float(np.mean(arrived)),
                "velocity_error": float(np.mean([walk.velocity_error for walk in walks])),
                "yaw_rate_error": None,
                "plan_p99": max(walk.plan_p99 for walk in walks),
                "late_share": float(np.mean([walk.late_share for walk in walks])),
            })  # fmt: skip
        return rows

    def walk(self, cell: Cell) -> WalkScores:
        """All robots of the cell side by side, in the order of its commands."""
        commands = np.repeat(np.array(cell.commands), self.robots, axis=0)
        condition = self.condition(cell.condition)
        simulation = MixedSimulation([(condition, len(commands))], seed=self.seed, threads=self.threads)
        walker = self.controller(cell.method, len(commands))
        return run_closed_loop(walker, simulation, commands, self.ticks, f"{cell.method}, {cell.condition}")

    def condition(self, name: str) -> Condition:
        """The condition of that name."""
        return {**NAMED, **bag_minutes.CHANGES, RANDOMISED.name: RANDOMISED}[name]

    def controller(self, method: str, robots: int) -> BatchController:
        """Who walks."""
        if method == DEMONSTRATOR:
            policy = DemonstratorPolicy(model_folder(DEMONSTRATOR), self.threads)
            return DemonstratorWalker(policy, GaitCommand.default(robots))
        kind = BySlopeController if method == BY_SLOPE else shipped_controller
        options = {name: getattr(self, name) for name in ("threads", "backend", "velocity_feedback")}
        return kind(self.artefacts[method], self.seed, **options)

    def minutes(self, method: str) -> float:
        """Processor time of finetuning [min], of all runs that the card tells; 0 without any. Or those of a bag."""
        of_bags = {bag.method: bag.minutes for bag in self.from_bags}
        if method in of_bags:
            return of_bags[method]
        if method == DEMONSTRATOR:
            return 0.0
        return round(sum(run["cpu_minutes"] for run in finetuning_of(self.artefacts[method])), 1)

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            ("condition", lambda row: row["condition"]),
            ("method", lambda row: row["method"]),
            ("minutes", lambda row: number(row["minutes"], "{:.1f}")),
            ("command", lambda row: command_text(row["command"])),
            ("survival", lambda row: number(row["survival"], "{:.1%}")),
            ("velocity error [m/s]", lambda row: number(row["velocity_error"], "{:.3f}")),
            ("yaw rate error [rad/s]", lambda row: number(row["yaw_rate_error"], "{:.3f}")),
        )
        tables = dict.fromkeys(row["table"] for row in report["rows"])
        by_table = {table: [row for row in report["rows"] if row["table"] == table] for table in tables}
        grids = [Grid.of(f"Table {table}", columns, rows) for table, rows in by_table.items()]
        if self.variants:
            grids.append(ablation.grid(by_table.get(ABLATION, []), self.variants, UNTUNED))
        if self.from_bags:
            grids.append(bag_minutes.grid(by_table.get(BAG, []), self.from_bags, UNTUNED))
        return grids

    def draw(self, path: Path, report: Report) -> None:
        """Draw the trials of the trainings from nothing."""
        trials = {name: finetuning_of(artefact)[-1]["trials"] for name, artefact in self.from_scratch.items()}
        shown = {
            "velocity error [m/s]": "flat_error",
            "yaw rate error [rad/s]": "flat_yaw_error",
            "survival": "flat_survival",
        }
        curves(
            path,
            {
                label: {name: [(trial["minutes"], trial[key]) for trial in each] for name, each in trials.items()}
                for label, key in shown.items()
            },
            "minutes of processor time after the first prior",
        )
