"""D-MPC: how far its dynamics can be believed, and how its planner walks beside Diffusion-MPC.

Open loop: robots walk under the demonstrator, in its gait or under bursts of noise, at the commands of `evaluate walk`;
each predictor is given the state, and the actions of the ticks that follow. Errors are root mean squares over all
stretches, after so many ticks. `multi_step` says the states of all its ticks at once, by its mean or by samples of DDIM
steps; beyond its own ticks it goes on from its last prediction. `single_step` draws a sample of the next tick and goes
on from that, `autoregressive` from the mean of the next tick. The joint prior of Diffusion-MPC has the actions
in-painted; it knows no base velocity. `mujoco` is MuJoCo from the full state, with a payload in the model that is not
on the robot. Position is dead reckoning by predicted velocity and yaw rate.

Walk: as `evaluate walk`, at one timing for all planners. Objective and new reward: robots walk forward as in `evaluate
adaptation`, with a reward or without; the change of the penalty is against the same planner without the reward, over
the robots that survived both walks. Objectives are those of Table II. New rewards, which no model was trained for: a
lunge (nose down by 0.12 rad), a base held at 0.24 m, the rear right leg spared.

Choice: candidates of one moment, ranked by what is predicted and by what comes out when each is rolled out in MuJoCo;
and what comes out for all of them, for the one that is predicted to have the least, and for the one that has.

Distilled: all commands under the policy that `train distil` made of the planner, and under the planner, both at every
tick without delay.

Dynamics: robots that have changed walk all commands, with the models as they are, and with those that were adapted to
minutes of a bag, or of `train walks` (--adapted): D-MPC by `adapt dynamics`, Diffusion-MPC by `train finetune`. Of the
velocity error that the change costs the loss is the part above that of the unchanged robot.

examples:
  diffusion-mpc evaluate d-mpc --robots 2 --ticks 200 --experiments open_loop
  diffusion-mpc evaluate d-mpc --single-step runs/dynamics_single/artefact --json docs/results/d_mpc.json
  diffusion-mpc evaluate d-mpc --experiments choice new_reward --asked height --forward-robots 8
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.artefacts.artefact import Artefact, load_artefact
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.settings import Settings
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.evaluation.bag_minutes import FromBag
from diffusion_mpc_ros.evaluation.commanded import CommandedExperiment, command_text
from diffusion_mpc_ros.evaluation.d_mpc import predictors, tables
from diffusion_mpc_ros.evaluation.d_mpc.asked import ASKED, NEW_REWARDS, forward_commands, walk_measured
from diffusion_mpc_ros.evaluation.d_mpc.changes import CHANGES, UNCHANGED, adapted_method, planner_of
from diffusion_mpc_ros.evaluation.d_mpc.choice import compare_candidates
from diffusion_mpc_ros.evaluation.d_mpc.open_loop import CASES, ERRORS, errors
from diffusion_mpc_ros.evaluation.d_mpc.predictors import Predictor
from diffusion_mpc_ros.evaluation.d_mpc.recording import Stretches, bursts, record
from diffusion_mpc_ros.evaluation.d_mpc.tables import (
    CHOICE,
    DISTILLED,
    DYNAMICS,
    NEW_REWARD,
    OBJECTIVE,
    OPEN_LOOP,
    WALK,
)
from diffusion_mpc_ros.evaluation.d_mpc.walked import action_time, finite_scores, of_all
from diffusion_mpc_ros.evaluation.experiment import Report
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planning import timing_of
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.planners.d_mpc.loading import load, load_dynamics
from diffusion_mpc_ros.planners.d_mpc.models import Dynamics
from diffusion_mpc_ros.planners.registry import best_level
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, run_closed_loop
from diffusion_mpc_ros.policies.comparison import RobotScores, compare
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.policies.intervals import finite
from diffusion_mpc_ros.realtime.velocity_feedback import VELOCITY_FEEDBACK
from diffusion_mpc_ros.simulation.batch import BatchSimulation

EXPERIMENTS = (OPEN_LOOP, CHOICE, WALK, DISTILLED, OBJECTIVE, NEW_REWARD, DYNAMICS)
# The case of all commands together.
ALL = "all"
# Who was distilled from the planner.
POLICY = "reactive policy"
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
    minutes: float | None = None

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
    distilled: str = "runs/distilled/artefact"
    """Artefact of `train distil`, for the experiment of that name."""
    demonstrator: str = "demonstrator"
    """Demonstrator that the recorded robots walk under."""
    experiments: tuple[str, ...] = (OPEN_LOOP, WALK)
    """Which of open_loop, choice, walk, distilled, objective, new_reward and dynamics."""
    asked: tuple[str, ...] = tuple(ASKED)
    """Objectives and new rewards of those experiments."""
    forward_robots: int = 24
    """Robots that walk forward under them."""
    changes: tuple[str, ...] = tuple(CHANGES)
    """Robots of the experiment dynamics."""
    adapted: tuple[str, ...] = ()
    """CHANGE:MINUTES=FOLDER each: an artefact of either planner, adapted to minutes of a changed robot."""
    ahead: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """Ticks after which errors are told."""
    planners: tuple[str, ...] = ("d_mpc", "diffusion_mpc")
    """Planners that walk, with their settings of config/planner.yaml; "d_mpc, candidates = 1": with another one."""
    candidates: int = 16
    """Candidates of the experiment choice."""
    moments: int = 64
    """Moments at which they are compared."""
    delay: int = 1
    """Replan margin D of the walks."""
    replan: int = 1
    """Replan interval R of the walks."""
    velocity_feedback: float = VELOCITY_FEEDBACK
    """Gain of the velocity feedback [1/s], see planner.velocity_feedback; 0: none."""
    robots: int = 8
    ticks: int = 500
    threads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_below_one("ahead", "candidates", "moments", "forward_robots")
        for what, names, valid in (
            ("experiment", self.experiments, EXPERIMENTS),
            ("objective or reward", self.asked, tuple(ASKED)),
            ("change", self.changes, tuple(CHANGES)),
        ):
            unknown = [name for name in names if name not in valid]
            if unknown:
                raise ConfigurationError(f"unknown {what} {unknown[0]!r}; there is {', '.join(valid)}")
        self.bags  # noqa: B018 (what is not understood is refused here)

    @cached_property
    def bags(self) -> list[FromBag]:
        """The adapted artefacts."""
        return [FromBag.parse(text, CHANGES) for text in self.adapted]

    @property
    def head(self) -> dict[str, Any]:
        names = ("robots", "ticks", "seed", "delay", "replan", "commands", "ahead", "velocity_feedback")
        artefacts = {"d_mpc": self.models.artefact.identity, "prior": self.joint.identity}
        config = {name: getattr(self, name) for name in names}
        return {"artefacts": artefacts, "config": config, "machine": describe_machine()}

    def outdated(self, row: Row) -> bool:
        """Whether a walk forward was one of another number of robots."""
        return row.get("walked", self.forward_robots) != self.forward_robots

    @cached_property
    def models(self):
        """The artefact of D-MPC, its dynamics by their mean."""
        return load(model_folder(self.artefact), proposal_steps=3, dynamics_steps=1, threads=self.threads)

    @cached_property
    def joint(self) -> prior.Prior:
        """The artefact of Diffusion-MPC."""
        return prior.load(model_folder(self.prior))

    def cells(self) -> list[Cell]:
        found = {
            OPEN_LOOP: [Cell(OPEN_LOOP, case, method) for case in CASES for method in self.predictors],
            CHOICE: [Cell(CHOICE, None, f"N = {self.candidates}")],
            WALK: [Cell(WALK, None, method) for method in self.planners],
            DISTILLED: [Cell(DISTILLED, None, method) for method in (POLICY, "d_mpc")],
            DYNAMICS: [Cell(DYNAMICS, change, method) for change in self.changes for method in self.planners],
        }
        found[DYNAMICS] += [
            Cell(DYNAMICS, change, adapted_method(bag), bag.minutes)
            for bag in self.bags
            for change in (bag.change, UNCHANGED)
            if change in self.changes
        ]
        for name in self.asked:
            experiment = NEW_REWARD if name in NEW_REWARDS else OBJECTIVE
            found.setdefault(experiment, []).extend(Cell(experiment, name, method) for method in self.planners)
        return [cell for experiment in self.experiments for cell in found.get(experiment, [])]

    def run(self, cell: Cell) -> Sequence[Row]:
        experiment, case, method = cell[:3]
        if experiment == OPEN_LOOP:
            return self.predict(case, method)
        if experiment == CHOICE:
            return self.choose(method)
        if experiment == WALK:
            return self.walk_under(method)
        if experiment == DISTILLED:
            return [self.walk_distilled(method)]
        if experiment == DYNAMICS:
            return self.walk_changed(cell)
        return [{**cell.labels, **self.walk_asked(case, method)}]

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

    def choose(self, method: str) -> list[Row]:
        """How the candidates of moments of a walk in the gait are told apart, a row for each measure."""
        stretches = self.recorded["gait"].first(self.moments)
        found = compare_candidates(self.models, stretches, self.candidates, self.seed)
        labels = {"experiment": CHOICE, "method": method, "stretches": len(stretches)}
        return [{**labels, "case": case, **values} for case, values in found.items()]

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

    def controller(
        self, method: str, artefact: str = "", rewards: RewardSettings | None = None
    ) -> AsynchronousController:
        """The planner of ``method`` behind its plan session, D-MPC on another ``artefact`` than its own."""
        name, *changes = method.split(", ")
        planning, own = bringup.load_settings("planner", name)
        artefact = artefact or {"d_mpc": self.artefact, "diffusion_mpc": self.prior}.get(name, "")
        own = replace(own, seed=self.seed, **({"artefact": artefact} if artefact else {}))
        own = with_changes(own, changes)
        planner = best_level(name, own, timing_of(planning.horizon, self.delay, self.replan))
        settings = rewards or RewardSettings()
        planner.check(settings)
        return AsynchronousController(planner, lambda tick: settings, self.delay, self.velocity_feedback)

    def walk_changed(self, cell: Cell) -> list[Row]:
        """Scores over all commands on a robot that has changed."""
        bag = {adapted_method(bag): bag for bag in self.bags}.get(cell.method)
        controller = self.controller(planner_of(bag), str(bag.folder)) if bag else self.controller(cell.method)
        commands = np.repeat(np.array(self.commands, dtype=float), self.robots, axis=0)
        simulation = CHANGES[cell.case].simulation(len(commands), seed=self.seed, threads=self.threads)
        scores = run_closed_loop(controller, simulation, commands, self.ticks, f"{cell.case}, {cell.method}")
        own = {"artefact": load_artefact(bag.folder).identity} if bag else {}
        return [{**cell.labels, **own, **of_all(scores, self.seed)}]

    def walk_forward(self, method: str, rewards: RewardSettings | None, label: str) -> tuple[Row, RobotScores]:
        """Scores over all robots, and of each, walking forward under ``rewards``."""
        commands = forward_commands(self.forward_robots, self.seed)
        simulation = BatchSimulation(len(commands), seed=self.seed, threads=self.threads)
        controller = self.controller(method, rewards=rewards)
        walked, of_robots = walk_measured(controller, simulation, commands, self.ticks, label)
        return walked.summary(np.ones(len(commands), dtype=bool)), of_robots

    @cached_property
    def without_rewards(self) -> dict[str, RobotScores]:
        """Walks forward without a reward so far, by the method."""
        return {}

    def walk_asked(self, name: str, method: str) -> Row:
        """What a reward does to its penalty."""
        if method not in self.without_rewards:
            self.without_rewards[method] = self.walk_forward(method, None, f"no reward, {method}")[1]
        summary, scores = self.walk_forward(method, ASKED[name].settings, f"{name}, {method}")
        result = compare(scores, self.without_rewards[method], [name], self.seed)
        measured = result.pop("penalties")[name]
        return {
            **result, "walked": self.forward_robots, "unit": ASKED[name].unit,
            "velocity_error": finite(summary["velocity_error"]),
            "penalty": measured["penalty"], "without": measured["unplanned"], "change": measured["change"],
            "interval": measured["interval"],
        }  # fmt: skip

    def walk_distilled(self, method: str) -> Row:
        """Scores over all commands, and how long an action takes of one robot: of the policy, or of the planner.

        Both at every tick without delay: so the policy has learnt it.
        """
        if method == POLICY:
            policy = DemonstratorPolicy(model_folder(self.distilled), self.threads)
            make = lambda robots: DemonstratorWalker(policy, GaitCommand.default(robots))  # noqa: E731
            own = {"artefact": policy.sha256}
        else:
            undelayed, own = replace(self, delay=0, replan=1), {}
            make = lambda robots: undelayed.controller(method)  # noqa: E731
        scores = self.walk(make(len(self.commands) * self.robots), f"distilled, {method}")
        return {
            "experiment": DISTILLED, "case": ALL, "method": method, **own, **of_all(scores, self.seed),
            "action_time": action_time(make(1)),
        }  # fmt: skip

    def walk_under(self, name: str) -> list[Row]:
        """Scores over all commands, and of each."""
        scores = self.walk(self.controller(name), name)
        by_command = [finite_scores(summary) for summary in self.by_command(scores)]
        rows = zip([ALL, *map(command_text, self.commands)], [of_all(scores, self.seed), *by_command])
        return [{"experiment": WALK, "method": name, "case": case, **row} for case, row in rows]

    def grids(self, report: Report) -> list[Grid]:
        return tables.grids(report["rows"], self.ahead, self.bags)


def with_changes(own: Settings, changes: Sequence[str]) -> Settings:
    """Return the settings of a planner with ``changes``, "NAME = VALUE" each; raises :class:`ConfigurationError`."""
    for change in changes:
        name, _, value = change.partition(" = ")
        known = {field.name: type(getattr(own, field.name)) for field in fields(own)}
        numbers = {key: kind for key, kind in known.items() if kind in (int, float)}
        if name not in numbers:
            raise ConfigurationError(f"{change!r} is no NAME = NUMBER of a setting; there is {', '.join(numbers)}")
        try:
            number = numbers[name](value)
        except ValueError:
            raise ConfigurationError(f"{change!r}: {value!r} is no number of the kind that {name} takes") from None
        own = replace(own, **{name: number})
    return own
