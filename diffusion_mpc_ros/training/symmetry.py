"""The left-right symmetry of the Go2 as mirrored training samples (Mittal et al., ICRA 2024).

Everything the demonstrator learns holds for the robot in a mirror, so every sample is learnt from twice. Without this
a trot comes out with one side stronger than the other, and drifts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS


@dataclass(frozen=True)
class Mirror:
    """Where each number of a vector comes from in the mirror, and with which sign."""

    permutation: tuple[int, ...]
    signs: tuple[float, ...]

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """``(..., n)`` mirrored."""
        signs = torch.tensor(self.signs, dtype=values.dtype, device=values.device)
        return values[..., list(self.permutation)] * signs

    def __add__(self, other: Mirror) -> Mirror:
        """One vector after the other."""
        shifted = tuple(len(self.permutation) + index for index in other.permutation)
        return Mirror(self.permutation + shifted, self.signs + other.signs)


def same(count: int) -> Mirror:
    """Numbers that a mirror does not change."""
    return Mirror(tuple(range(count)), (1.0,) * count)


# The mirror is the plane of the base's x and z axes.
VECTOR = Mirror((0, 1, 2), (1.0, -1.0, 1.0))
ROTATION = Mirror((0, 1, 2), (-1.0, 1.0, -1.0))
COMMAND = Mirror((0, 1, 2), (1.0, -1.0, -1.0))
# Right and left legs change places (FR, FL, RR, RL); hips then turn the other way.
FEET = Mirror((1, 0, 3, 2), (1.0,) * 4)
JOINTS = Mirror((3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8), (-1.0, 1.0, 1.0) * 4)
# The other diagonal pair stands: half a cycle later.
CLOCK = Mirror((0, 1), (-1.0, -1.0))

# What a planner sees (core/trajectory.py).
OBSERVATION = ROTATION + VECTOR + COMMAND + JOINTS + JOINTS + JOINTS
# The groups of WalkingEnv.get_observations.
POLICY = OBSERVATION + same(len(GAIT_PARAMETERS)) + CLOCK
PRIVILEGED = VECTOR + same(1) + FEET + FEET + COMMAND + same(3) + VECTOR + same(1)


def add_mirrored(
    env: VecEnv, obs: TensorDict | None, actions: torch.Tensor | None
) -> tuple[TensorDict | None, torch.Tensor | None]:
    """Return samples and, after them, the same ones mirrored: twice the batch (rsl-rl's ``data_augmentation_func``)."""
    if obs is not None:
        groups = {"policy": POLICY(obs["policy"]), "privileged": PRIVILEGED(obs["privileged"])}
        obs = torch.cat([obs, TensorDict(groups, batch_size=obs.batch_size, device=obs.device)])
    if actions is not None:
        actions = torch.cat([actions, JOINTS(actions)])
    return obs, actions
