"""The base estimator against the simulator's truth while the demonstrator walks ten commands, one after another.

Errors are over every LowState after the estimator has started, in the base's frame; drift is that of the odometry, as a
share of the distance walked. Exit status: 0, 1 when the required accuracy is missed or the robot fell.

examples:
  diffusion-mpc evaluate estimator
  diffusion-mpc evaluate estimator --grounds flat cobbles:0.04 stairs:0.05
  diffusion-mpc evaluate estimator --feet.gain 1 0 1 1 --noise.base-ang-vel 0.02
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DEFAULT_JOINT_POS, NUM_JOINTS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import JointCommand, LowState
from diffusion_mpc_ros.estimation.base_estimator import BaseEstimator
from diffusion_mpc_ros.evaluation.experiment import Experiment, Report
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.simulation.ground.ground import FLAT, Ground
from diffusion_mpc_ros.simulation.model import ModelOptions
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose

# (vx, vy) [m/s] and yaw rate [rad/s], each walked for an equal share of the time.
COMMANDS = (
    (0.0, 0.0, 0.0),
    (0.5, 0.0, 0.0),
    (0.7, 0.0, 0.0),
    (1.0, 0.0, 0.0),
    (0.5, 0.0, 0.6),
    (0.0, 0.4, 0.0),
    (-0.5, 0.0, 0.0),
    (0.0, 0.0, 0.8),
    (-0.5, 0.2, 0.5),
    (0.3, -0.3, -0.5),
)
# The robot stands this long [s] first, so that the estimator starts with all feet loaded.
STANDING_TIME = 0.5

# Required at most [m/s] in each axis, [m].
VELOCITY_RMSE, HEIGHT_RMSE = 0.08, 0.015

Walker = Callable[[LowState, float, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class SensorNoise:
    """Standard deviations of what is added to each LowState, and a constant bias of the accelerometer."""

    base_ang_vel: float = 0.0  # [rad/s]
    base_lin_acc: float = 0.0  # [m/s^2]
    acceleration_bias: float = 0.0  # [m/s^2], each axis
    joint_pos: float = 0.0  # [rad]
    joint_vel: float = 0.0  # [rad/s]

    def apply(self, lowstate: LowState, rng: np.random.Generator) -> LowState:
        """Return a noisy copy of ``lowstate``."""
        return replace(
            lowstate,
            base_ang_vel=lowstate.base_ang_vel + rng.normal(0.0, self.base_ang_vel, 3),
            base_lin_acc=lowstate.base_lin_acc + rng.normal(self.acceleration_bias, self.base_lin_acc, 3),
            joint_pos=lowstate.joint_pos + rng.normal(0.0, self.joint_pos, NUM_JOINTS),
            joint_vel=lowstate.joint_vel + rng.normal(0.0, self.joint_vel, NUM_JOINTS),
        )


@dataclass(frozen=True)
class FootSensors:
    """What the force sensors of FR FL RR RL report from ``start`` [s] on: ``gain * truth + offset`` and noise.

    In raw units; gain 0 is a dead sensor. Rounded as on the wire, also before ``start``.
    """

    gain: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    offset: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    noise: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # standard deviations
    start: float = 0.0

    def apply(self, lowstate: LowState, rng: np.random.Generator) -> LowState:
        """Return a copy of ``lowstate`` with what these sensors report; its tick is the time."""
        force = lowstate.foot_force
        if lowstate.tick_ms >= self.start * 1e3:
            force = force * self.gain + self.offset + rng.normal(0.0, 1.0, 4) * self.noise
        return replace(lowstate, foot_force=np.rint(force))


@dataclass(frozen=True)
class EstimatorScores:
    """Errors against the truth over every LowState after the estimator has started; ``fell`` ends the walk early."""

    seconds: float
    fell: bool
    restarts: int
    velocity_rmse: tuple[float, float, float]  # [m/s], base frame
    velocity_bias: tuple[float, float, float]  # [m/s]
    height_rmse: float  # [m]
    odometry_drift: float  # [-], share of the distance walked


def demonstrator_walker(policy: DemonstratorPolicy, base_height: float) -> Walker:
    """Joint targets from the demonstrator, ``walker(lowstate, time [s], command (3,)) -> (12,)`` [rad]."""
    gait = GaitCommand.default(1)
    gait.base_height[:] = base_height
    demonstrator = DemonstratorWalker(policy, gait)
    previous = DEFAULT_JOINT_POS

    def walk(lowstate: LowState, time: float, command: np.ndarray) -> np.ndarray:
        nonlocal previous
        observation = observe(lowstate, command, previous)
        previous = demonstrator.act(observation[None])[0]
        return previous

    return walk


def score_walk(
    walker: Walker,
    commands: Sequence[Sequence[float]],
    duration: float,
    sensors: Sequence[SensorNoise | FootSensors],
    seed: int,
    ground: Ground = FLAT,
) -> EstimatorScores:
    """Walk ``commands`` in turn for ``duration`` [s] in all and compare estimate and truth at every LowState."""
    simulation = Go2Simulation(ModelOptions(ground=ground))
    estimator, rng = BaseEstimator(), np.random.default_rng(seed)
    simulation.reset(Pose.STANDING)
    ticks, standing_ticks = round(duration / CONTROL_DT), round(STANDING_TIME / CONTROL_DT)
    velocity_errors, height_errors, track = [], [], []
    for tick in range(ticks):
        time = tick * CONTROL_DT
        targets = DEFAULT_JOINT_POS
        if tick >= standing_ticks:
            command = np.asarray(commands[tick * len(commands) // ticks], dtype=np.float64)
            targets = walker(simulation.lowstate(time), time, command)
        simulation.set_command(JointCommand.position(targets, WALKING_KP, WALKING_KD))
        for _ in range(round(CONTROL_DT / simulation.timestep)):
            simulation.step_physics()
            lowstate = simulation.lowstate(simulation.time)
            for sensor in sensors:
                lowstate = sensor.apply(lowstate, rng)
            estimate = estimator.update(lowstate)
            if estimate.initialized:
                truth = simulation.truth()
                velocity_errors.append(estimate.base_lin_vel_b - truth.lin_vel_b)
                height_errors.append(estimate.base_height - truth.height)
                track.append((*estimate.base_pos_w[:2], *truth.position[:2]))
        if simulation.fallen():
            break
    if not track:
        raise ConfigurationError(f"the estimator never started within {duration} s: walk for longer")
    errors, path = np.array(velocity_errors), np.array(track)
    distance = np.linalg.norm(np.diff(path[:, 2:], axis=0), axis=1).sum()
    drift = np.linalg.norm((path[-1, :2] - path[-1, 2:]) - (path[0, :2] - path[0, 2:]))
    return EstimatorScores(
        seconds=(tick + 1) * CONTROL_DT,
        fell=simulation.fallen(),
        restarts=estimator.restarts,
        velocity_rmse=tuple(np.sqrt((errors**2).mean(axis=0)).tolist()),
        velocity_bias=tuple(errors.mean(axis=0).tolist()),
        height_rmse=float(np.sqrt(np.mean(np.square(height_errors)))),
        odometry_drift=float(drift / max(distance, 1e-3)),
    )


@dataclass(frozen=True, kw_only=True)
class Config(Experiment):
    """How the demonstrator walks, with which sensors, and where the results go."""

    command = "evaluate estimator"
    title = "The base estimator"
    size = "{duration:g} s, seed {seed}"
    unit = "walk"

    demonstrator: str = "demonstrator"
    """Its name in models/, or a path to its folder."""
    grounds: tuple[str, ...] = ("flat",)
    """What it walks on: NAME[:DIFFICULTY][@SEED] each (docs/ground.md)."""
    duration: float = 60.0
    """How long it walks on each [s], all commands together."""
    base_height: float = 0.28
    """What the demonstrator is asked for [m]."""
    noise: SensorNoise = SensorNoise()
    feet: FootSensors = FootSensors()
    seed: int = 0
    """Seed of the noise."""

    @cached_property
    def policy(self) -> DemonstratorPolicy:
        """The demonstrator."""
        return DemonstratorPolicy(model_folder(self.demonstrator))

    @property
    def head(self) -> dict[str, Any]:
        names = ("duration", "base_height", "seed")
        sensors = {"noise": asdict(self.noise), "feet": asdict(self.feet)}
        config = {**{name: getattr(self, name) for name in names}, **sensors}
        return {"demonstrator": self.policy.sha256, "machine": describe_machine(), "config": config}

    def cells(self) -> list[Ground]:
        return [Ground.parse(text) for text in self.grounds]

    def labels(self, cell: Ground) -> dict[str, Any]:
        return {"ground": str(cell)}

    def run(self, cell: Ground) -> Row:
        walker = demonstrator_walker(self.policy, self.base_height)
        scores = score_walk(walker, COMMANDS, self.duration, (self.noise, self.feet), self.seed, cell)
        return {**self.labels(cell), **asdict(scores)}

    def status(self, report: Report) -> int:
        """1 when the required accuracy is missed."""
        return 0 if all(meets_requirement(row) for row in report["rows"]) else 1

    def grids(self, report: Report) -> list[Grid]:
        speeds = ("vx [m/s]", "vy [m/s]", "vz [m/s]")
        columns = (
            ("ground", lambda row: row["ground"]),
            ("s", lambda row: f"{row['seconds']:.0f}" + (" (fell)" if row["fell"] else "")),
            *((name, lambda row, axis=axis: f"{row['velocity_rmse'][axis]:.3f}") for axis, name in enumerate(speeds)),
            ("height [m]", lambda row: f"{row['height_rmse']:.3f}"),
            ("bias vx vy vz", lambda row: " ".join(f"{value:+.3f}" for value in row["velocity_bias"])),
            ("drift", lambda row: f"{row['odometry_drift']:.1%}"),
            ("restarts", lambda row: str(row["restarts"])),
        )
        title = (
            f"RMSE of {report['config']['duration']:.0f} s of mixed walking; required {VELOCITY_RMSE:.3f} m/s in each "
            f"axis, {HEIGHT_RMSE:.3f} m"
        )
        return [Grid.of(title, columns, report["rows"])]


def meets_requirement(row: Row) -> bool:
    """Whether velocity in each axis and height are close enough, without a fall."""
    return not row["fell"] and max(row["velocity_rmse"]) <= VELOCITY_RMSE and row["height_rmse"] <= HEIGHT_RMSE
