"""Full states of simulated robots: what a batch, a rollout and the simulated robot are set to and give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import mujoco
import numpy as np

from diffusion_mpc_ros.core import go2, rotations
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.simulation.batch_state import GroundHeight, flat, hip_ground
from diffusion_mpc_ros.simulation.model import ModelIndices

# Control ticks of joint targets that a state remembers, which bounds the latency.
HISTORY = 3
MAX_LATENCY = HISTORY * go2.CONTROL_DT  # [s]


@dataclass(frozen=True)
class State:
    """Everything that the physics of robots goes on from; ``...`` is any batch shape, ``()`` for one robot.

    ``qpos``, ``qvel`` and ``act`` are MuJoCo's, the Go2's base first (:class:`model.ModelIndices` has the rest by
    name). A motor follows the joint target that was given ``latency`` [s] ago, at most :data:`MAX_LATENCY`.
    ``warmstart``: where the contact solver starts from; zero is a cold start.
    """

    time: np.ndarray  # (...) [s]
    qpos: np.ndarray  # (..., nq) [m, -, rad], base position and quaternion in the world frame
    qvel: np.ndarray  # (..., nv) [m/s, rad/s], linear velocity of the base in the world, angular in the base frame
    act: np.ndarray  # (..., na), of the Go2 none
    warmstart: np.ndarray  # (..., nv)
    joint_targets: np.ndarray  # (..., HISTORY, 12) [rad] of the last control ticks, newest first
    latency: np.ndarray  # (...) [s]

    @classmethod
    def zeros(cls, model: mujoco.MjModel, shape: tuple[int, ...] = ()) -> State:
        """Robots at the origin of ``model``, all joints at zero, the default pose their target."""
        qpos = np.zeros((*shape, model.nq))
        qpos[..., 3] = 1.0
        return cls(
            time=np.zeros(shape),
            qpos=qpos,
            qvel=np.zeros((*shape, model.nv)),
            act=np.zeros((*shape, model.na)),
            warmstart=np.zeros((*shape, model.nv)),
            joint_targets=np.tile(go2.DEFAULT_JOINT_POS, (*shape, HISTORY, 1)),
            latency=np.zeros(shape),
        )

    @classmethod
    def of(
        cls,
        robots: RobotState,
        model: mujoco.MjModel,
        latency: float = 0.0,
        ground: GroundHeight = flat,
        indices: ModelIndices | None = None,
    ) -> State:
        """Return the state of ``model`` that fits what is known: estimated velocity and height above ``ground``.

        They stand at x = y = 0. The joint target before this tick counts for the ticks before it as well. ``indices``:
        those of the model, where they are at hand.
        """
        indices, shape = indices or ModelIndices.of(model), robots.joint_pos.shape[:-1]
        state = cls.zeros(model, shape)
        state.time[...] = robots.tick * go2.CONTROL_DT
        under = hip_ground(state.qpos[..., :3], robots.base_quat_wxyz, ground)
        state.qpos[..., 2], state.qpos[..., 3:7] = robots.base_height + under, robots.base_quat_wxyz
        state.qpos[..., indices.qpos] = robots.joint_pos
        state.qvel[..., :3] = rotations.rotate(robots.base_quat_wxyz, robots.base_lin_vel)
        state.qvel[..., 3:6], state.qvel[..., indices.qvel] = robots.base_ang_vel, robots.joint_vel
        state.joint_targets[...] = robots.previous_action[..., None, :]
        state.latency[...] = latency
        return state

    @property
    def shape(self) -> tuple[int, ...]:
        """The batch shape."""
        return self.time.shape

    def apply(self, change: Callable[[np.ndarray], np.ndarray]) -> State:
        """Change every array alike: ``change`` may index or reshape the axes of the batch."""
        return State(**{each.name: change(getattr(self, each.name)) for each in fields(self)})

    def copy(self) -> State:
        """Return a copy that shares no memory."""
        return self.apply(np.copy)

    def __getitem__(self, robots: object) -> State:
        """Return the states of some robots: an index, a slice or a mask of the batch's axes."""
        return self.apply(lambda array: array[robots])

    def put(self, robots: object, state: State) -> None:
        """Write ``state`` into the robots of an index, a slice or a mask."""
        for each in fields(self):
            getattr(self, each.name)[robots] = getattr(state, each.name)

    def check(self, model: mujoco.MjModel, shape: tuple[int, ...] | None = None) -> None:
        """Raise :class:`ConfigurationError` unless this is a state of ``model``, in the batch ``shape`` if given."""
        batch = self.shape if shape is None else shape
        robot = State.zeros(model)  # the shapes of one: a whole batch of zeros takes longer
        for each in fields(self):
            array, wanted = getattr(self, each.name), (*batch, *getattr(robot, each.name).shape)
            if array.shape != wanted or not np.isfinite(array).all():
                raise ConfigurationError(
                    f"{each.name} of a state: finite numbers of shape {wanted} are needed, got {array.shape}, "
                    f"finite: {bool(np.isfinite(array).all())}"
                )
        if (self.latency < 0.0).any() or (self.latency > MAX_LATENCY + 1e-9).any():
            raise ConfigurationError(
                f"latency must be 0 .. {MAX_LATENCY:.3f} s, got {self.latency.min():.3f} .. {self.latency.max():.3f} s"
            )

    def rows(self) -> np.ndarray:
        """MuJoCo's full physics states ``(..., 1 + nq + nv + na)``, as :mod:`mujoco.rollout` takes them."""
        return np.concatenate([self.time[..., None], self.qpos, self.qvel, self.act], axis=-1)


def latency_steps(latency: np.ndarray, timestep: float) -> np.ndarray:
    """Latencies [s] in whole physics steps of ``timestep`` [s]."""
    return np.round(np.asarray(latency) / timestep).astype(np.intp)
