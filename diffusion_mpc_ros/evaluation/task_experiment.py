"""What the experiments on DIAL-MPC's tasks share: a robot in lock-step, its planner at a budget, trials, pictures."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.experiment import Experiment, Report
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import Row, matches
from diffusion_mpc_ros.evaluation.task_table import TaskRow, put_rows
from diffusion_mpc_ros.planners.dial_mpc.methods import METHODS, Budget, make_search
from diffusion_mpc_ros.planners.dial_mpc.receding_horizon import FIRST_ITERATIONS, RecedingHorizon
from diffusion_mpc_ros.planners.dial_mpc.task import TORQUES, ControlRange, Task
from diffusion_mpc_ros.planners.sampling.knots import Knots
from diffusion_mpc_ros.planners.sampling.search import Search
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.batch_state import BatchState
from diffusion_mpc_ros.simulation.ground.ground import Ground
from diffusion_mpc_ros.simulation.model import ModelOptions
from diffusion_mpc_ros.simulation.planner_models import PlannerModel, build_planner_model
from diffusion_mpc_ros.simulation.render import OffscreenCamera, strip, write_png
from diffusion_mpc_ros.simulation.robot import Go2Simulation
from diffusion_mpc_ros.simulation.rollout import Rollouts
from diffusion_mpc_ros.simulation.state import State

# Gains of the authors' code [N m/rad, N m s/rad].
PUBLISHED_GAINS, TORQUE_GAINS = (30.0, 0.65), (0.0, 0.65)
WALKING_GAINS = go2.WALKING_KP, go2.WALKING_KD
PICTURES, PICTURE_SIZE = 5, (300, 240)


@dataclass(frozen=True)
class Trial:
    """What a robot did: ``ticks (T,)``, the full state before each of them and at the end, CPU time [s] it took."""

    ticks: BatchState
    states: list[State]
    seconds: float
    fallen: bool

    @property
    def row(self) -> Row:
        """What every trial says: whether the robot fell, and computing per simulated second."""
        duration = len(self.states[1:]) * go2.CONTROL_DT
        return {"fallen": self.fallen, "seconds_per_second": self.seconds / duration}


@dataclass(frozen=True, kw_only=True)
class TaskExperiment(Experiment):
    """Which methods, at which budget, how often."""

    unit = "trial"
    # Of a search: ticks looked ahead, knots, from one knot to the one before it (the authors').
    lookahead: ClassVar[int]
    knots: ClassVar[int] = 6
    horizon_factor: ClassVar[float]
    # Whether nothing of the robot but its feet collides in the model that is planned with.
    feet_only: ClassVar[bool]
    task_name: ClassVar[str]

    methods: tuple[str, ...] = ("dial_mpc",)
    """Methods (planner.method)."""
    samples: int = 256
    """Samples of an iteration; the authors take 2048."""
    iterations: int = 2
    """Iterations of a plan; methods without annealing take all samples at once."""
    trials: int = 5
    """Trials of each method."""
    seed: int = 0
    """Seed of the tasks and of the sampling noise."""
    as_published: bool = False
    """As in the authors' code, and not with its defects mended: physics steps of 20 ms, 2 solver iterations, gains 30
    and 0.65, their contact rewards."""
    torques: bool = False
    """Search over joint torques under a damping of 0.65 N m s/rad, as the paper does, and not over joint targets."""
    threads: int = 1
    """Threads of the physics that is planned with."""
    picture: Path | None = None
    """Draw a trial of the first method, made anew, into this PNG."""
    table: Path | None = None
    """Put a row for each method into this common table of all tasks."""

    def __post_init__(self) -> None:
        self.refuse_below_one("samples", "iterations", "trials", "threads")
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown:
            raise ConfigurationError(f"unknown method {unknown[0]!r}; there is {', '.join(METHODS)}")

    @property
    def head(self) -> dict[str, Any]:
        names = ("samples", "iterations", "seed", "as_published", "torques", *self.own_options)
        return {"config": {name: getattr(self, name) for name in names}, "machine": describe_machine()}

    @property
    def own_options(self) -> Sequence[str]:
        """Names of options that all rows of a file have in common, besides those of every task."""
        return ()

    @abstractmethod
    def score(self, rows: Sequence[Row]) -> tuple[float, list[float] | None]:
        """Score of trials, 1 at best, and its interval."""

    @property
    def variant(self) -> str:
        """What is not as usual, in words."""
        names = {"as published": self.as_published, "torques": self.torques}
        return ", ".join(name for name, chosen in names.items() if chosen)

    def control_range(self, joint_targets: ControlRange) -> ControlRange:
        """Return what is searched over: ``joint_targets``, or torques."""
        return TORQUES if self.torques else joint_targets

    def perform(
        self,
        task: Task,
        method: str,
        seed: int,
        ground: Ground,
        ticks: int,
        ended: Callable[[list[BatchState]], bool] = lambda done: False,
    ) -> Trial:
        """Let one robot do ``task`` in the full model at 2 ms: for ``ticks`` ticks, until it falls or has ``ended``."""
        full, planned = (
            build_planner_model(options, ground, self._gains()) for options in (PlannerModel(), self._planner_model())
        )
        simulation = BatchSimulation(1, seed=seed, threads=1, ground=ground, model=full, torques=self.torques)
        rollouts = Rollouts(planned, threads=self.threads, torques=self.torques)
        planner = RecedingHorizon(task, rollouts, *self._search(method), seed=seed)
        states, done, begin = [simulation.full_state], [], time.process_time()
        for tick in range(ticks):
            done.append(simulation.step(planner.joint_targets(simulation.full_state, tick)[None]))
            states.append(simulation.full_state)
            if task.fallen(done[-1])[0] or ended(done):
                break
        fallen = bool(task.fallen(done[-1])[0])
        return Trial(BatchState.concatenate(done), states, time.process_time() - begin, fallen)

    def publish(self, report: Report) -> None:
        """See :class:`Experiment`; the common table and the picture as well."""
        super().publish(report)
        if self.table is not None:
            put_rows(self.table, self.table_rows(report["rows"]))
        if self.picture is not None:
            self.draw(self.picture)

    def table_rows(self, rows: Sequence[Row]) -> list[TaskRow]:
        """Return a row of the common table for each method, of the trials that were asked for."""
        asked, found = [self.labels(cell) for cell in self.cells()], []
        for method in self.methods:
            labels = [each for each in asked if each["method"] == method]
            own = [row for row in rows if any(matches(row, each) for each in labels)]
            score, interval = self.score(own)
            found.append(
                TaskRow(
                    task=self.task_name, method=method, samples=self.samples, iterations=self.iterations, live=False,
                    score=score, survival=float(np.mean([not row["fallen"] for row in own])), velocity_error=None,
                    interval=interval, trials=len(own),
                    seconds_per_second=float(np.mean([row["seconds_per_second"] for row in own])),
                    variant=self.variant,
                )
            )  # fmt: skip
        return found

    @abstractmethod
    def draw(self, path: Path) -> None:
        """Draw a trial into ``path``."""

    def write_strip(self, path: Path, states: Sequence[State], ground: Ground, azimuth: float) -> None:
        """Write pictures of ``states``, each of one robot, on ``ground``, seen from ``azimuth`` [deg]."""
        simulation = Go2Simulation(ModelOptions(visual=True, ground=ground))
        width, height = PICTURE_SIZE
        with OffscreenCamera(simulation, width=width, height=height, azimuth=azimuth, distance=1.8) as camera:
            pictures = []
            for state in states:
                simulation.full_state = state[0]
                pictures.append(camera.picture())
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, strip(pictures))

    def _gains(self) -> tuple[float, float]:
        if self.torques:
            return TORQUE_GAINS
        return PUBLISHED_GAINS if self.as_published else WALKING_GAINS

    def _planner_model(self) -> PlannerModel:
        if self.as_published:
            return PlannerModel(0.020, self.feet_only, "pyramidal", 1.0, 2, 6, friction_loss=False)
        return PlannerModel(0.010, self.feet_only, impratio=1.0, iterations=10, friction_loss=False)

    def _search(self, method: str) -> tuple[Search, int]:
        """Return the search of ``method``, and the iterations of a first plan, at the same budget for all."""
        budget = Budget(self.samples, self.iterations, horizon_factor=self.horizon_factor)
        if method == "dial_mpc":
            budget = Budget(self.samples, self.iterations, 1.0, horizon_factor=self.horizon_factor)
        search = make_search(method, Knots(self.lookahead + 1, self.knots), budget)
        return search, max(1, FIRST_ITERATIONS * search.annealing.iterations // self.iterations)
