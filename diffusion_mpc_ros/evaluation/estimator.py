"""``diffusion-mpc evaluate estimator``: the base estimator against the simulator's truth on a mixed walk."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DEFAULT_JOINT_POS, NUM_JOINTS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import JointCommand, LowState
from diffusion_mpc_ros.estimation.base_estimator import BaseEstimator
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
        """A noisy copy of ``lowstate``."""
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
        """A copy of ``lowstate`` with what these sensors report; its tick is the time."""
        force = lowstate.foot_force
        if lowstate.tick_ms >= self.start * 1e3:
            force = force * self.gain + self.offset + rng.normal(0.0, 1.0, 4) * self.noise
        return replace(lowstate, foot_force=np.rint(force))


@dataclass(frozen=True)
class EstimatorConfig:
    """The demonstrator walks the commands one after another, ``duration`` [s] in all, in lock-step.

    ``base_height`` [m] is what the demonstrator is asked for. ``grounds``: NAME[:DIFFICULTY][@SEED] each
    (docs/ground.md).
    """

    demonstrator: str = "demonstrator"
    grounds: tuple[str, ...] = ("flat",)
    duration: float = 60.0
    base_height: float = 0.28
    noise: SensorNoise = SensorNoise()
    feet: FootSensors = FootSensors()
    seed: int = 0
    json: Path | None = None


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

    def meets_requirement(self) -> bool:
        """Velocity RMSE <= 0.08 m/s per axis, height RMSE <= 1.5 cm, and no fall."""
        return not self.fell and max(self.velocity_rmse) <= 0.08 and self.height_rmse <= 0.015


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


def main(config: EstimatorConfig) -> int:
    """Measure, print, write the JSON report when asked; 1 when the required accuracy is missed."""
    grounds = [Ground.parse(text) for text in config.grounds]
    policy = DemonstratorPolicy(model_folder(config.demonstrator))
    table, scores = Table(title=f"base estimator, {config.duration:.0f} s of mixed walking on each ground"), {}
    speeds = ("vx [m/s]", "vy [m/s]", "vz [m/s]")
    for column in ("ground", "s", *speeds, "height [m]", "bias vx vy vz", "drift", "restarts"):
        table.add_column(column, justify="right")
    table.add_row("required", "", "0.080", "0.080", "0.080", "0.015", "", "", "0")
    for ground in grounds:
        walker = demonstrator_walker(policy, config.base_height)
        sensors = (config.noise, config.feet)
        score = scores[str(ground)] = score_walk(walker, COMMANDS, config.duration, sensors, config.seed, ground)
        table.add_row(
            str(ground),
            f"{score.seconds:.0f}" + (" (fell)" if score.fell else ""),
            *(f"{value:.3f}" for value in (*score.velocity_rmse, score.height_rmse)),
            " ".join(f"{value:+.3f}" for value in score.velocity_bias),
            f"{100 * score.odometry_drift:.1f} %",
            str(score.restarts),
        )
    Console(width=120).print(table)
    if config.json is not None:
        config.json.parent.mkdir(parents=True, exist_ok=True)
        config.json.write_text(json.dumps({name: vars(score) for name, score in scores.items()}, indent=2) + "\n")
    return 0 if all(score.meets_requirement() for score in scores.values()) else 1
