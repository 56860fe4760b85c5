"""What is true of simulated robots at control ticks, named as controllers, reward terms and scores read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from diffusion_mpc_ros.core import go2, rotations
from diffusion_mpc_ros.core.trajectory import make_observation
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.simulation.model import ModelIndices

# Of the world's ground under points (..., 2) [m]: heights (...) [m].
GroundHeight = Callable[[np.ndarray], np.ndarray]
# Fields of :class:`BatchState` that are measured while stepping; the others are read off the physics state.
MEASURED = ("joint_torque", "mechanical_power", "foot_force", "foot_pos", "foot_vel")


# In the base frame [m]: where the legs hang when the hips are straight, FR FL RR RL.
_HIPS_B = np.array(
    [
        (x * go2.HIP_OFFSET_X, y * (go2.HIP_OFFSET_Y + go2.ABDUCTION_LENGTH), 0.0)
        for x, y in ((1, -1), (1, 1), (-1, -1), (-1, 1))
    ]
)


def flat(points: np.ndarray) -> np.ndarray:
    """Heights of flat ground."""
    return np.zeros(points.shape[:-1])


def hip_ground(base_pos: np.ndarray, quat_wxyz: np.ndarray, ground: GroundHeight) -> np.ndarray:
    """Mean height ``(...)`` [m] of the ground under the four hips of bases ``(..., 3)`` [m] and ``(..., 4)``."""
    if ground is flat:  # wherever the hips are
        return np.zeros(base_pos.shape[:-1])
    hips = base_pos[..., None, :] + rotations.rotate(quat_wxyz[..., None, :], _HIPS_B)
    return ground(hips[..., :2]).mean(axis=-1)


@dataclass
class BatchState:
    """The truth about robots after a control tick; base frame where the name ends in ``_b``.

    ``...`` is ``(B,)`` in a batch, ``(B, N, H)`` in a rollout.
    """

    base_pos: np.ndarray  # (..., 3) [m], world
    base_quat_wxyz: np.ndarray  # (..., 4)
    base_lin_vel_b: np.ndarray  # (..., 3) [m/s]
    base_ang_vel_b: np.ndarray  # (..., 3) [rad/s]
    projected_gravity_b: np.ndarray  # (..., 3)
    joint_pos: np.ndarray  # (..., 12) [rad], project order
    joint_vel: np.ndarray  # (..., 12) [rad/s]
    joint_torque: np.ndarray  # (..., 12) [N m], mean over the tick
    mechanical_power: np.ndarray  # (...) [W], sum of |torque * velocity|, mean over the tick
    foot_force: np.ndarray  # (..., 4) [N], normal
    foot_pos: np.ndarray  # (..., 4, 3) [m], world, of the feet's centres
    foot_vel: np.ndarray  # (..., 4, 3) [m/s], world
    # Heights of the ground in the world: under each foot (..., 4) [m], and under the hips, their mean (...) [m].
    foot_ground: np.ndarray = field(default_factory=lambda: np.zeros(4))
    hip_ground: np.ndarray = field(default_factory=lambda: np.zeros(()))

    @classmethod
    def read(
        cls,
        indices: ModelIndices,
        qpos: np.ndarray,
        qvel: np.ndarray,
        measured: dict[str, np.ndarray],
        ground: GroundHeight,
    ) -> BatchState:
        """From MuJoCo's ``qpos (..., nq)`` and ``qvel (..., nv)``, and the other fields as they were ``measured``."""
        quat = qpos[..., 3:7].copy()
        return cls(
            base_pos=qpos[..., :3].copy(),
            base_quat_wxyz=quat,
            base_lin_vel_b=rotations.rotate_inverse(quat, qvel[..., :3]),
            base_ang_vel_b=qvel[..., 3:6].copy(),
            projected_gravity_b=rotations.projected_gravity(quat),
            joint_pos=qpos[..., indices.qpos],
            joint_vel=qvel[..., indices.qvel],
            **measured,
            foot_ground=ground(measured["foot_pos"][..., :2]),
            hip_ground=hip_ground(qpos[..., :3], quat, ground),
        )

    @property
    def base_height(self) -> np.ndarray:
        """Height ``(...)`` [m] of the base above the mean of the ground under the four hips."""
        return self.base_pos[..., 2] - self.hip_ground

    @property
    def foot_height(self) -> np.ndarray:
        """Heights ``(..., 4)`` [m] of the feet's centres, each above the ground under it."""
        return self.foot_pos[..., 2] - self.foot_ground

    @property
    def foot_contact(self) -> np.ndarray:
        """Feet ``(..., 4)`` bool that carry load."""
        return self.foot_force > go2.FOOT_FORCE_CONTACT

    def fallen(self) -> np.ndarray:
        """Robots past the fall criterion, ``(...)`` bool."""
        return go2.has_fallen(rotations.tilt(self.projected_gravity_b), self.base_height)

    @classmethod
    def concatenate(cls, parts: Sequence[BatchState]) -> BatchState:
        """Return the robots of ``parts`` one after another, along the first axis."""
        if len(parts) == 1:
            return parts[0]
        names = [each.name for each in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def apply(self, change: Callable[[np.ndarray], np.ndarray]) -> BatchState:
        """Change every array alike: ``change`` may index or reshape the leading axes."""
        return BatchState(**{each.name: change(getattr(self, each.name)) for each in fields(self)})

    def robot_state(self, tick: int, previous_action: np.ndarray) -> RobotState:
        """Return the same as a controller knows it at ``tick``, after joint targets ``(..., 12)`` [rad]."""
        return RobotState(
            tick=tick,
            base_ang_vel=self.base_ang_vel_b,
            base_quat_wxyz=self.base_quat_wxyz,
            joint_pos=self.joint_pos,
            joint_vel=self.joint_vel,
            joint_torque=self.joint_torque,
            previous_action=previous_action,
            foot_contact=self.foot_contact,
            base_lin_vel=self.base_lin_vel_b,
            base_height=self.base_height,
        )

    def observation(self, command: np.ndarray, previous_action: np.ndarray) -> np.ndarray:
        """Observations ``(..., 45)`` for commands ``(..., 3)`` and previous joint targets ``(..., 12)``."""
        return make_observation(
            base_ang_vel=self.base_ang_vel_b,
            projected_gravity=self.projected_gravity_b,
            command=command,
            joint_pos=self.joint_pos,
            joint_vel=self.joint_vel,
            previous_action=previous_action,
        )
