"""D-MPC: how far its dynamics can be believed, and how its planner walks beside Diffusion-MPC.

Open loop: robots walk under the demonstrator, in its gait or under bursts of noise, at the commands of `evaluate walk`;
each predictor is given the state, and the actions of the ticks that follow. Errors are root mean squares over all
stretches, after so many ticks. `multi_step` says the states of all its ticks at once, by its mean or by samples of DDIM
steps; beyond its own ticks it goes on from its last prediction. `single_step` draws a sample of the next tick and goes
on from that, `autoregressive` from the mean of the next tick. The joint prior of Diffusion-MPC has the actions
in-painted; it knows no base velocity. `mujoco` is MuJoCo from the full state, with a payload in the model that is not
on the robot. Position is dead reckoning by predicted velocity and yaw rate.

Walk: as `evaluate walk`, at one timing for all planners.

examples:
  diffusion-mpc evaluate d-mpc --robots 2 --ticks 200 --experiments open_loop
  diffusion-mpc evaluate d-mpc --single-step runs/dynamics_single/artefact --json docs/results/d_mpc.json
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.transition import BASE_HEIGHT, BASE_LIN_VEL, JOINT_POS
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.evaluation.commanded import CommandedExperiment, command_text
from diffusion_mpc_ros.evaluation.d_mpc import predictors
from diffusion_mpc_ros.evaluation.d_mpc.predictors import Predictor
from diffusion_mpc_ros.evaluation.d_mpc.recording import Stretches, bursts, dead_reckoning, record
from diffusion_mpc_ros.evaluation.experiment import Report, finite, number
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planning import timing_of
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.planners.d_mpc.loading import load, load_dynamics, read_dynamics
from diffusion_mpc_ros.planners.registry import best_level
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.simulation.batch import BatchSimulation

OPEN_LOOP, WALK = "open_loop", "walk"
# The case of all commands together.
ALL = "all"
# Largest noise on the demonstrator's actions [rad] of a robot, by the name of the case.
CASES = {"gait": 0.0, "bursts": 0.25}
ERRORS = {"position_error": "{:.3f}", "velocity_error": "{:.3f}", "height_error": "{:.4f}", "joint_error": "{:.3f}"}
SCORES = {"survival": "{:.1%}", "velocity_error": "{:.3f}", "yaw_rate_error": "{:.3f}", "base_height": "{:.3f}"}
# What the model of the yardstick wrongly believes in: a payload [kg], and where in the base frame [m].
PAYLOAD, PAYLOAD_POSITION = 3.0, np.array([0.1, 0.0, 0.05])


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
    """Which of open_loop and walk."""
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
        unknown = [name for name in self.experiments if name not in (OPEN_LOOP, WALK)]
        if unknown:
            raise ConfigurationError(f"unknown experiment {unknown[0]!r}; there is {OPEN_LOOP}, {WALK}")

    @property
    def head(self) -> dict[str, Any]:
        names = ("robots", "ticks", "seed", "delay", "replan", "commands", "ahead")
        artefacts = {"d_mpc": self.models.artefact.identity, "prior": self.joint.identity}
        if self.single_step:
            artefacts["single_step"] = read_dynamics(model_folder(self.single_step))[0].identity
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

    def cells(self) -> list[tuple[str, str]]:
        """Experiment and case, or planner."""
        names = {OPEN_LOOP: tuple(CASES), WALK: self.planners}
        return [(experiment, name) for experiment in self.experiments for name in names[experiment]]

    def labels(self, cell: tuple[str, str]) -> dict[str, Any]:
        experiment, name = cell
        return {"experiment": experiment, ("case" if experiment == OPEN_LOOP else "method"): name}

    def run(self, cell: tuple[str, str]) -> Sequence[Row]:
        experiment, name = cell
        return self.predict(name) if experiment == OPEN_LOOP else self.walk_under(name)

    def predict(self, case: str) -> list[Row]:
        """The rows of every predictor, for recorded walks under the noise of ``case``."""
        stretches, rows = self.recorded(case), []
        for method, predictor in self.predictors().items():
            found = errors(stretches, predictor(stretches, max(self.ahead)))
            for ticks in self.ahead:
                values = {name: finite(found[name][ticks - 1]) for name in ERRORS}
                labels = {"experiment": OPEN_LOOP, "case": case, "method": method, "ticks": ticks}
                rows.append({**labels, "stretches": len(stretches), **values, "error": values["velocity_error"]})
        return rows

    def recorded(self, case: str) -> Stretches:
        """Walks under the demonstrator at all commands."""
        commands = np.repeat(np.array(self.commands, dtype=float), self.robots, axis=0)
        noise = bursts(len(commands), self.ticks, CASES[case], np.random.default_rng(self.seed + 1))
        policy = DemonstratorPolicy(model_folder(self.demonstrator), self.threads)
        walker = DemonstratorWalker(policy, GaitCommand.default(len(commands)))
        simulation = BatchSimulation(len(commands), seed=self.seed, threads=self.threads)
        return record(simulation, walker, commands, noise, max(self.ahead), settle=50)

    def predictors(self) -> dict[str, Predictor]:
        """By the name of the method."""
        multi = self.models.dynamics
        found: dict[str, Predictor] = {"unchanged": predictors.unchanged}
        for steps in (1, 2, 3, multi.description.schedule.steps):
            method = "multi_step" if steps == 1 else f"multi_step, {steps} DDIM steps"
            found[method] = predictors.rolled_out(multi.with_steps(steps), self.seed)
        if self.single_step:
            single = load_dynamics(model_folder(self.single_step), steps=1, threads=self.threads)[1]
            steps = single.description.schedule.steps
            found["single_step"] = predictors.rolled_out(single.with_steps(steps), self.seed)
            found["autoregressive"] = predictors.rolled_out(single, self.seed)
        found["joint prior"] = predictors.joint_prior(self.joint, self.seed)
        found[f"mujoco, {PAYLOAD:g} kg believed in"] = predictors.physics(PAYLOAD, PAYLOAD_POSITION)
        return found

    def walk_under(self, name: str) -> list[Row]:
        """Scores over all commands, and of each."""
        planning, own = bringup.load_settings("planner", name)
        artefact = {"d_mpc": self.artefact, "diffusion_mpc": self.prior}.get(name)
        own = replace(own, seed=self.seed, **({"artefact": artefact} if artefact else {}))
        planner = best_level(name, own, timing_of(planning.horizon, self.delay, self.replan))
        controller = AsynchronousController(planner, latency_ticks=self.delay)
        scores = self.walk(controller, name)
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
        walks = [row for row in report["rows"] if row["experiment"] == WALK]
        columns = (
            ("planner", lambda row: row["method"]),
            ("command", lambda row: row["case"]),
            *((name.replace("_", " "), lambda row, name=name: number(row[name], SCORES[name])) for name in SCORES),
        )
        return [*grids, *([Grid.of("Walk", columns, walks)] if walks else [])]


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
