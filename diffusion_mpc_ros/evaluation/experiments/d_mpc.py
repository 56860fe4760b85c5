"""D-MPC: how far its dynamics can be believed, and how its planner walks beside Diffusion-MPC.

Open loop: robots walk under the demonstrator, in its gait or under bursts of noise, at the commands of `evaluate walk`;
each predictor is given the state, and the actions of the ticks that follow. Errors are root mean squares over all
stretches, after so many ticks. `multi_step` says the states of all its ticks at once, by its mean or by samples of DDIM
steps; beyond its own ticks it goes on from its last prediction. `single_step` draws a sample of the next tick and goes
on from that, `autoregressive` from the mean of the next tick. The joint prior of Diffusion-MPC has the actions
in-painted; it knows no base velocity. `mujoco` is MuJoCo from the full state, with a payload in the model that is not
on the robot. Position is dead reckoning by predicted velocity and yaw rate.

Walk: as `evaluate walk`, at one timing for all planners. Dynamics: the same on a robot that has changed, with the
models as they are, and with the artefact that `adapt dynamics` made of them (--adapted CHANGE=ARTEFACT).

examples:
  diffusion-mpc evaluate d-mpc --robots 2 --ticks 200 --experiments open_loop
  diffusion-mpc evaluate d-mpc --single-step runs/dynamics_single/artefact --json docs/results/d_mpc.json
  diffusion-mpc evaluate d-mpc --experiments dynamics --adapted payload=runs/adapted_payload/d_mpc
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.artefacts.artefact import Artefact, load_artefact
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.transition import BASE_HEIGHT, BASE_LIN_VEL, JOINT_POS
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.evaluation.commanded import CommandedExperiment, command_text
from diffusion_mpc_ros.evaluation.d_mpc import predictors
from diffusion_mpc_ros.evaluation.d_mpc.predictors import Predictor
from diffusion_mpc_ros.evaluation.d_mpc.recording import Stretches, bursts, dead_reckoning, record
from diffusion_mpc_ros.evaluation.experiment import Report, number
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planning import timing_of
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.planners.d_mpc.loading import load, load_dynamics
from diffusion_mpc_ros.planners.d_mpc.models import Dynamics
from diffusion_mpc_ros.planners.registry import best_level
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.policies.intervals import finite
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.ground.kinds import NOMINAL_FRICTION
from diffusion_mpc_ros.simulation.randomization import Randomization

OPEN_LOOP, WALK, DYNAMICS = "open_loop", "walk", "dynamics"
EXPERIMENTS = (OPEN_LOOP, WALK, DYNAMICS)
# The case of all commands together.
ALL = "all"
# Largest noise on the demonstrator's actions [rad] of a robot, by the name of the case.
CASES = {"gait": 0.0, "bursts": 0.25}
ERRORS = {"position_error": "{:.3f}", "velocity_error": "{:.3f}", "height_error": "{:.4f}", "joint_error": "{:.3f}"}
SCORES = {"survival": "{:.1%}", "velocity_error": "{:.3f}", "yaw_rate_error": "{:.3f}", "base_height": "{:.3f}"}
# Robots that have changed: every robot of a walk in the same way.
UNCHANGED = Randomization(
    base_mass=(0.0, 0.0), mass_position_x=(0.1, 0.1), mass_position_y=(0.05, 0.05), mass_position_z=(0.05, 0.05),
    friction=(NOMINAL_FRICTION, NOMINAL_FRICTION), motor_strength=(1.0, 1.0), latency=(0.0, 0.0),
    initial_joint_pos=(0.95, 1.05), nominal_fraction=0.0,
)  # fmt: skip
CHANGES = {
    "payload": replace(UNCHANGED, base_mass=(6.0, 6.0)),
    "friction": replace(UNCHANGED, friction=(0.25, 0.25)),
    "motors": replace(UNCHANGED, motor_strength=(0.7, 0.7)),
}
ADAPTED = "d_mpc, adapted"
# DDIM steps of the multi-step model; methods that need a single-step one.
MULTI_STEP = (1, 2, 3, 10)
SINGLE_STEP = ("single_step", "autoregressive")
# What the model of the yardstick wrongly believes in: a payload [kg], and where in the base frame [m].
PAYLOAD, PAYLOAD_POSITION = 3.0, np.array([0.1, 0.0, 0.05])


class Cell(NamedTuple):
    """One measurement, whose rows have these labels; None: rows of every case or method."""

    experiment: str
    case: str | None
    method: str | None

    @property
    def labels(self) -> dict[str, Any]:
        """What identifies its rows."""
        return {name: value for name, value in self._asdict().items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Config(CommandedExperiment):
    """What is measured, with which models."""

    command = "evaluate d-mpc"
    title = "D-MPC"
    size = "{robots} robots for each command x {ticks} ticks, seed {seed}; walks at D = {delay}, R = {replan}"
    unit = "cell"

    artefact: str = "d_mpc"
    """Artefact of D-MPC: its name in models/, or a path to its folder."""
    prior: str = "go2"
    """Artefact of Diffusion-MPC."""
    single_step: str = ""
    """Artefact of `train dynamics --horizon 1`; empty: without single_step and autoregressive."""
    demonstrator: str = "demonstrator"
    """Demonstrator that the recorded robots walk under."""
    experiments: tuple[str, ...] = (OPEN_LOOP, WALK)
    """Which of open_loop, walk and dynamics."""
    changes: tuple[str, ...] = tuple(CHANGES)
    """Changed robots of the experiment dynamics."""
    adapted: tuple[str, ...] = ()
    """CHANGE=ARTEFACT: what was adapted to a changed robot (payload, friction, motors)."""
    ahead: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """Ticks after which errors are told."""
    planners: tuple[str, ...] = ("d_mpc", "diffusion_mpc")
    """Planners that walk, with their settings of config/planner.yaml."""
    delay: int = 1
    """Replan margin D of the walks."""
    replan: int = 1
    """Replan interval R of the walks."""
    robots: int = 8
    ticks: int = 500
    threads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_below_one("ahead")
        for what, names, valid in (
            ("experiment", self.experiments, EXPERIMENTS),
            ("change", (*self.changes, *self.adapted_to), tuple(CHANGES)),
        ):
            unknown = [name for name in names if name not in valid]
            if unknown:
                raise ConfigurationError(f"unknown {what} {unknown[0]!r}; there is {', '.join(valid)}")

    @property
    def adapted_to(self) -> dict[str, str]:
        """Adapted artefacts by the change."""
        return {change: artefact for change, _, artefact in (entry.partition("=") for entry in self.adapted)}

    @property
    def head(self) -> dict[str, Any]:
        names = ("robots", "ticks", "seed", "delay", "replan", "commands", "ahead")
        artefacts = {"d_mpc": self.models.artefact.identity, "prior": self.joint.identity}
        config = {name: getattr(self, name) for name in names}
        return {"artefacts": artefacts, "config": config, "machine": describe_machine()}

    @cached_property
    def models(self):
        """The artefact of D-MPC, its dynamics by their mean."""
        return load(model_folder(self.artefact), proposal_steps=3, dynamics_steps=1, threads=self.threads)

    @cached_property
    def joint(self) -> prior.Prior:
        """The artefact of Diffusion-MPC."""
        return prior.load(model_folder(self.prior))

    def cells(self) -> list[Cell]:
        cells: list[Cell] = []
        for experiment in self.experiments:
            if experiment == OPEN_LOOP:
                cells += [Cell(OPEN_LOOP, case, method) for case in CASES for method in self.predictors]
            elif experiment == WALK:
                cells += [Cell(WALK, None, method) for method in self.planners]
            else:
                for change in self.changes:
                    methods = [*self.planners, *([ADAPTED] if change in self.adapted_to else [])]
                    cells += [Cell(DYNAMICS, change, method) for method in methods]
        return cells

    def run(self, cell: Cell) -> Sequence[Row]:
        if cell.experiment == OPEN_LOOP:
            return self.predict(cell.case, cell.method)
        if cell.experiment == WALK:
            return self.walk_under(cell.method)
        return self.walk_changed(cell.case, cell.method)

    def predict(self, case: str, method: str) -> list[Row]:
        """The rows of a predictor, for recorded walks under the noise of ``case``; its own artefact stands in them."""
        stretches = self.recorded[case]
        found = errors(stretches, self.predictors[method]()(stretches, max(self.ahead)))
        own = {"artefact": self.single[0].identity} if method in SINGLE_STEP else {}
        rows = []
        for ticks in self.ahead:
            values = {name: finite(found[name][ticks - 1]) for name in ERRORS}
            labels = {"experiment": OPEN_LOOP, "case": case, "method": method, "ticks": ticks}
            rows.append({**labels, **own, "stretches": len(stretches), **values, "error": values["velocity_error"]})
        return rows

    @cached_property
    def recorded(self) -> dict[str, Stretches]:
        """Walks under the demonstrator at all commands, by the case."""
        commands = np.repeat(np.array(self.commands, dtype=float), self.robots, axis=0)
        policy = DemonstratorPolicy(model_folder(self.demonstrator), self.threads)
        walks = {}
        for case, largest in CASES.items():
            noise = bursts(len(commands), self.ticks, largest, np.random.default_rng(self.seed + 1))
            walker = DemonstratorWalker(policy, GaitCommand.default(len(commands)))
            simulation = BatchSimulation(len(commands), seed=self.seed, threads=self.threads)
            walks[case] = record(simulation, walker, commands, noise, max(self.ahead), settle=50)
        return walks

    @cached_property
    def single(self) -> tuple[Artefact, Dynamics]:
        """The artefact of the single-step model, and the model, by its mean."""
        return load_dynamics(model_folder(self.single_step), steps=1, threads=self.threads)

    @property
    def predictors(self) -> dict[str, Callable[[], Predictor]]:
        """How each is made, by the name of the method."""
        found: dict[str, Callable[[], Predictor]] = {"unchanged": lambda: predictors.unchanged}
        for steps in MULTI_STEP:
            method = "multi_step" if steps == 1 else f"multi_step, {steps} DDIM steps"
            found[method] = lambda steps=steps: predictors.rolled_out(self.models.dynamics.with_steps(steps), self.seed)
        if self.single_step:
            of_single = lambda steps: predictors.rolled_out(self.single[1].with_steps(steps), self.seed)  # noqa: E731
            found["single_step"] = lambda: of_single(self.single[1].description.schedule.steps)
            found["autoregressive"] = lambda: of_single(1)
        found["joint prior"] = lambda: predictors.joint_prior(self.joint, self.seed)
        found[f"mujoco, {PAYLOAD:g} kg believed in"] = lambda: predictors.physics(PAYLOAD, PAYLOAD_POSITION)
        return found

    def controller(self, name: str, artefact: str = "") -> AsynchronousController:
        """The planner ``name`` behind its plan session, D-MPC on another ``artefact`` than its own."""
        planning, own = bringup.load_settings("planner", name)
        artefact = artefact or {"d_mpc": self.artefact, "diffusion_mpc": self.prior}.get(name, "")
        own = replace(own, seed=self.seed, **({"artefact": artefact} if artefact else {}))
        planner = best_level(name, own, timing_of(planning.horizon, self.delay, self.replan))
        return AsynchronousController(planner, latency_ticks=self.delay)

    def walk_changed(self, change: str, method: str) -> list[Row]:
        """Scores over all commands on a robot that has changed."""
        adapted = self.adapted_to[change] if method == ADAPTED else ""
        controller = self.controller("d_mpc" if adapted else method, adapted)
        scores = self.walk(controller, f"{change}, {method}", CHANGES[change])
        summary = scores.summary(np.ones(scores.planar_error.shape[1], dtype=bool))
        values = {score: finite(summary[score]) for score in SCORES}
        own = {"artefact": load_artefact(model_folder(adapted)).identity} if adapted else {}
        return [{"experiment": DYNAMICS, "case": change, "method": method, **own, **values}]

    def walk_under(self, name: str) -> list[Row]:
        """Scores over all commands, and of each."""
        scores = self.walk(self.controller(name), name)
        everybody = scores.summary(np.ones(scores.planar_error.shape[1], dtype=bool))
        rows = [everybody, *self.by_command(scores)]
        cases = [ALL, *map(command_text, self.commands)]
        return [
            {"experiment": WALK, "method": name, "case": case, **{score: finite(row[score]) for score in SCORES}}
            for case, row in zip(cases, rows)
        ]

    def grids(self, report: Report) -> list[Grid]:
        grids = []
        for case in CASES:
            rows = [row for row in report["rows"] if row["experiment"] == OPEN_LOOP and row["case"] == case]
            grids += [_open_loop_grid(case, name, rows, self.ahead) for name in ERRORS if rows]
        columns = (
            ("planner", lambda row: row["method"]),
            ("case", lambda row: row["case"]),
            *((name.replace("_", " "), lambda row, name=name: number(row[name], SCORES[name])) for name in SCORES),
        )
        for experiment in (WALK, DYNAMICS):
            rows = [row for row in report["rows"] if row["experiment"] == experiment]
            grids += [Grid.of(experiment.capitalize(), columns, rows)] if rows else []
        return grids


UNITS = {"position_error": "m", "velocity_error": "m/s", "height_error": "m", "joint_error": "rad"}


def _open_loop_grid(case: str, name: str, rows: list[Row], ahead: tuple[int, ...]) -> Grid:
    by_method: dict[str, dict[int, Row]] = {}
    for row in rows:
        by_method.setdefault(row["method"], {})[row["ticks"]] = row
    columns: list[tuple[str, Callable[[Any], str]]] = [("method", lambda item: item[0])]
    columns += [(str(ticks), lambda item, ticks=ticks: number(item[1][ticks][name], ERRORS[name])) for ticks in ahead]
    title = f"Open loop, {case}: {name.replace('_', ' ')} [{UNITS[name]}] after so many ticks"
    return Grid.of(title, columns, by_method.items())


def errors(stretches: Stretches, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Root mean square errors ``(F,)`` of ``predicted (n, F, 34)``, by the names of :data:`ERRORS`; NaN: not known."""
    difference = predicted - stretches.states[:, : predicted.shape[1]]
    position = dead_reckoning(stretches.state, predicted) - stretches.position[:, : predicted.shape[1]]
    planar = lambda values: np.sqrt((values**2).sum(axis=-1).mean(axis=0))  # noqa: E731
    return {
        "position_error": planar(position),
        "velocity_error": planar(difference[..., BASE_LIN_VEL][..., :2]),
        "height_error": planar(difference[..., BASE_HEIGHT]),
        "joint_error": np.sqrt((difference[..., JOINT_POS] ** 2).mean(axis=(0, 2))),
    }
