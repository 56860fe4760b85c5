"""What ``diffusion-mpc run`` measures: recorded samples in, the report's numbers out; no clock is read here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import DiffusionMpcError

# A command sent later than this [s] after its deadline is late.
LATE = 5e-3
# Width of the tracking score exp(-e^2 / TRACKING_WIDTH), e [m/s] the planar velocity error.
TRACKING_WIDTH = 0.25


class MeasurementError(DiffusionMpcError):
    """Nothing was received of what is to be measured."""


Recorded = TypeVar("Recorded")


@dataclass(frozen=True)
class TruthSample:
    """True state of the base at local monotonic ``time`` [s]: velocities, height, tilt."""

    time: float
    lin_vel_b: np.ndarray  # (3,) [m/s], base frame
    yaw_rate: float  # [rad/s]
    height: float  # [m]
    tilt: float  # [rad]
    climb: float  # [m/s], upwards

    @property
    def fallen(self) -> bool:
        """Whether the base is tilted or low beyond what walking allows."""
        return bool(go2.has_fallen(self.tilt, self.height))


@dataclass(frozen=True)
class CommandSample:
    """One JointCommand: local monotonic ``time`` it was received, ``sent`` [s] by its stamp, tick, lateness [s]."""

    time: float
    sent: float
    tick: int
    lateness: float
    from_plan: bool


@dataclass
class Recording:
    """Samples in order of arrival; appended by the receiving threads, read when they have stopped."""

    truth: list[TruthSample] = field(default_factory=list)
    commands: list[CommandSample] = field(default_factory=list)
    plan_times: list[tuple[float, float]] = field(default_factory=list)  # (time, plan time [s])
    joint_vel: list[tuple[float, float]] = field(default_factory=list)  # (time, mean of dq^2 over the joints)
    # What was asked for from a time on: (time, (3,) [m/s, m/s, rad/s]); nothing but standing still before the first.
    asked: list[tuple[float, np.ndarray]] = field(default_factory=list)


@dataclass(frozen=True)
class Window:
    """The local monotonic times [s] between which something is measured."""

    start: float
    end: float

    def of(self, samples: list[Recorded]) -> list[Recorded]:
        """Return the samples inside the window; they carry ``time`` or are tuples that begin with it."""
        return [sample for sample in samples if self.start <= _time(sample) < self.end]


def _time(sample: Any) -> float:
    return sample[0] if isinstance(sample, tuple) else sample.time


def report(recording: Recording, walked: Window, window: Window) -> dict[str, Any]:
    """Return the numbers of ``run --json``; raises MeasurementError without samples.

    ``walked``: from the start of walking, where falls count; ``window``: what is measured of it. A tick is late when
    its command was sent more than 5 ms after its deadline, or not at all. ``velocity_error`` is the mean length of the
    planar difference between true and commanded base velocity [m/s].
    """
    commands = _some(window.of(recording.commands), "joint commands (topic joint_command)")
    plan_times = np.array(_some(window.of(recording.plan_times), "plans (topic plan)"))[:, 1]
    ticks = commands[-1].tick - commands[0].tick + 1
    missing = ticks - len({command.tick for command in commands})
    p50, p99 = np.percentile(plan_times, [50, 99]) * 1e3
    return {
        "fell": any(sample.fallen for sample in walked.of(recording.truth)),
        "duration": window.end - window.start,
        "command_rate_hz": (len(commands) - 1) / (commands[-1].sent - commands[0].sent),
        "late_ticks": missing + sum(command.lateness > LATE for command in commands),
        "ticks": ticks,
        "velocity_error": float(np.mean(_planar_errors(recording, window))),
        "plan_ms": {"p50": float(p50), "p99": float(p99)},
        "max_lateness_ms": max(command.lateness for command in commands) * 1e3,
        "plans": len(plan_times),
        "plan_followed": sum(command.from_plan for command in commands) / len(commands),
        **gait(recording, window),
    }


def gait(recording: Recording, window: Window) -> dict[str, float]:
    """Mean velocity, tracking score exp(-e^2/0.25), mean squared joint velocity [rad^2/s^2], height over a window."""
    truth = _some(window.of(recording.truth), "true base states (topic rt/sportmodestate)")
    joint_vel = np.array(_some(window.of(recording.joint_vel), "robot states (topic robot_state)"))[:, 1]
    errors = _planar_errors(recording, window)
    velocity = np.mean([sample.lin_vel_b for sample in truth], axis=0)
    return {
        "mean_vx": float(velocity[0]),
        "mean_vy": float(velocity[1]),
        "mean_yaw_rate": float(np.mean([sample.yaw_rate for sample in truth])),
        "mean_height": float(np.mean([sample.height for sample in truth])),
        "tracking_score": float(np.mean(np.exp(-(errors**2) / TRACKING_WIDTH))),
        "mean_squared_joint_velocity": float(np.mean(joint_vel)),
    }


def _planar_errors(recording: Recording, window: Window) -> np.ndarray:
    truth = _some(window.of(recording.truth), "true base states (topic rt/sportmodestate)")
    velocities = np.array([sample.lin_vel_b[:2] for sample in truth])
    asked = [(-np.inf, np.zeros(3)), *recording.asked]
    newest = np.searchsorted([time for time, _ in asked], [sample.time for sample in truth], side="right") - 1
    return np.linalg.norm(velocities - np.array([cmd_vel[:2] for _, cmd_vel in asked])[newest], axis=1)


def _some(samples: list[Recorded], what: str) -> list[Recorded]:
    if len(samples) < 2:
        raise MeasurementError(f"{len(samples)} {what} received while measuring; at least 2 are needed")
    return samples
