"""Where everything is that is drawn, in the odometry frame: robot, ghost of its plan, feet of the candidates, forces.

A plan tells joints, not the base. What lies ahead is drawn where the plan's velocity takes the base from where it is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.estimation.kinematics import foot_forces, foot_positions, leg_kinematics
from diffusion_mpc_ros.view.seen import Seen

# Length of an arrow for each newton, and for each m/s.
METRES_PER_NEWTON, METRES_PER_SPEED = 1.0 / 500.0, 0.8
# Arrows shorter than this [m] are none; the longest.
SHORTEST, LONGEST = 0.02, 0.6
# Height above the ground of what is drawn on it [m].
ON_GROUND = 0.01
# One arrow above the other [m].
ABOVE = np.array([0.0, 0.0, 0.03])
# The trail: a point every so many metres, and so many of them.
TRAIL_STEP, TRAIL_POINTS = 0.03, 200
# A plan that begins more ticks ago than this has ended: the robot does not follow it.
OLDEST_PLAN = 25


@dataclass(frozen=True)
class Figure:
    """A robot: its base at ``position (3,)`` [m] with ``quat_wxyz (4,)``, its joints at ``joint_pos (12,)`` [rad]."""

    position: np.ndarray
    quat_wxyz: np.ndarray
    joint_pos: np.ndarray


@dataclass(frozen=True)
class Drawing:
    """All of it at one moment; what is not known is None, arrows that are too short are NaN."""

    robot: Figure
    ghost: Figure | None
    feet: np.ndarray  # (4, 3) [m]
    contact: np.ndarray  # (4,) bool
    forces: np.ndarray  # (4, 2, 3) arrows [m]
    paths: np.ndarray | None  # (N, T, 4, 3) [m], feet of the candidates from now on, the chosen one first
    wanted: np.ndarray  # (2, 3) arrow [m], the velocity commanded
    actual: np.ndarray  # (2, 3) arrow [m], the velocity estimated


class Trail:
    """Where the base has been on the ground, a point for every :data:`TRAIL_STEP`."""

    def __init__(self) -> None:
        self._points: deque[np.ndarray] = deque(maxlen=TRAIL_POINTS)

    def add(self, position: np.ndarray) -> None:
        """Take the base's ``position (3,)`` [m]."""
        point = np.array([position[0], position[1], ON_GROUND])
        if not self._points or np.linalg.norm(point - self._points[-1]) >= TRAIL_STEP:
            self._points.append(point)

    @property
    def points(self) -> np.ndarray:
        """All of them ``(P, 3)`` [m], the oldest first."""
        return np.array(self._points).reshape(-1, 3)


def draw(seen: Seen) -> Drawing | None:
    """Draw what is known; None before the robot's state and position are."""
    state = seen.state
    if state is None or seen.position is None:
        return None
    quat_wxyz = state.base_quat_wxyz
    rotation = rotations.rotation_matrix(quat_wxyz)
    kinematics = leg_kinematics(state.joint_pos)
    feet = seen.position + kinematics.foot_pos_b @ rotation.T
    forces = foot_forces(kinematics, state.joint_torque) @ rotation.T
    loaded = np.where(state.foot_contact[:, None], forces, 0.0)
    ground = np.array([*seen.position[:2], seen.position[2] - state.base_height + ON_GROUND])
    asked = np.zeros(3) if seen.commanded is None else seen.commanded.velocity
    return Drawing(
        robot=Figure(seen.position, quat_wxyz, state.joint_pos),
        ghost=_ghost(seen),
        feet=feet,
        contact=state.foot_contact,
        forces=np.stack([arrow(foot, METRES_PER_NEWTON * force) for foot, force in zip(feet, loaded)]),
        paths=_paths(seen),
        wanted=arrow(ground, METRES_PER_SPEED * _level(quat_wxyz, asked[:2])),
        actual=arrow(ground + ABOVE, METRES_PER_SPEED * _level(quat_wxyz, state.base_lin_vel[:2])),
    )


def arrow(start: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """From ``start (3,)`` along ``vector (3,)`` [m], no longer than LONGEST: ``(2, 3)``, NaN below SHORTEST."""
    length = np.linalg.norm(vector)
    if not length >= SHORTEST:
        return np.full((2, 3), np.nan)
    return np.stack([start, start + vector * min(1.0, LONGEST / length)])


def ahead(
    position: np.ndarray, quat_wxyz: np.ndarray, velocity: np.ndarray, seconds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the base is after ``seconds (T,)`` at ``velocity (3,)`` (vx, vy [m/s], yaw rate [rad/s], base frame).

    -> positions ``(T, 3)``, the turns about the vertical ``(T,)`` [rad]. Along a chord in the middle direction.
    """
    turn = velocity[2] * seconds
    heading = rotations.yaw(quat_wxyz) + 0.5 * turn
    vx, vy = velocity[:2]
    step = np.stack([vx * np.cos(heading) - vy * np.sin(heading), vx * np.sin(heading) + vy * np.cos(heading)], axis=-1)
    positions = np.tile(position, (len(seconds), 1))
    positions[:, :2] += step * seconds[:, None]
    return positions, turn


def turned(quat_wxyz: np.ndarray, turn: float) -> np.ndarray:
    """``quat_wxyz (4,)`` turned about the vertical by ``turn`` [rad]."""
    w, x, y, z = quat_wxyz
    c, s = np.cos(0.5 * turn), np.sin(0.5 * turn)
    return np.array([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w])


def _level(quat_wxyz: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """``velocity (2,)`` of the base frame as a level vector ``(3,)`` of the world."""
    heading = rotations.yaw(quat_wxyz)
    c, s = np.cos(heading), np.sin(heading)
    return np.array([c * velocity[0] - s * velocity[1], s * velocity[0] + c * velocity[1], 0.0])


def _velocity(seen: Seen) -> np.ndarray:
    return np.zeros(3) if seen.plan is None or seen.plan.command is None else seen.plan.command


def _ghost(seen: Seen) -> Figure | None:
    """The plan's last row: as its chosen candidate predicts it, else its joint targets."""
    plan, state = seen.plan, seen.state
    if plan is None or not 0 <= state.tick - plan.start_tick < OLDEST_PLAN:
        return None
    joint_pos = plan.joint_targets[-1]
    if seen.candidates is not None and seen.candidates_tick == plan.start_tick:
        joint_pos = seen.candidates.joint_pos[0, plan.horizon - 1]
    seconds = CONTROL_DT * (plan.start_tick + plan.horizon - 1 - state.tick)
    positions, turns = ahead(seen.position, state.base_quat_wxyz, _velocity(seen), np.array([max(seconds, 0.0)]))
    return Figure(positions[0], turned(state.base_quat_wxyz, turns[0]), joint_pos)


def _paths(seen: Seen) -> np.ndarray | None:
    """Feet of the candidates' rows that are still to come."""
    state, candidates = seen.state, seen.candidates
    if candidates is None or not 0 <= state.tick - seen.candidates_tick < OLDEST_PLAN:
        return None
    first = state.tick - seen.candidates_tick
    joint_pos = candidates.joint_pos[:, first:]
    if joint_pos.shape[1] < 2:
        return None
    seconds = CONTROL_DT * np.arange(joint_pos.shape[1])
    positions, turns = ahead(seen.position, state.base_quat_wxyz, _velocity(seen), seconds)
    rotation = np.stack([rotations.rotation_matrix(turned(state.base_quat_wxyz, turn)) for turn in turns])
    return positions[:, None] + np.einsum("tij,ntlj->ntli", rotation, foot_positions(joint_pos))
