"""Many simulated Go2s in lock-step, for training and evaluation: rollouts of one candidate over one control tick."""

from __future__ import annotations

import mujoco
import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.simulation.batch_state import MEASURED, BatchState
from diffusion_mpc_ros.simulation.ground.ground import FLAT, Ground
from diffusion_mpc_ros.simulation.model import ModelOptions, build_model
from diffusion_mpc_ros.simulation.randomization import Randomization, randomize_models
from diffusion_mpc_ros.simulation.rollout import Rollouts
from diffusion_mpc_ros.simulation.state import State, latency_steps

# Five physics steps of 4 ms to a control tick.
PHYSICS_STEPS = 5
BATCH_TIMESTEP = go2.CONTROL_DT / PHYSICS_STEPS


def build_batch_model(ground: Ground = FLAT) -> mujoco.MjModel:
    """Compile the Go2 on ``ground`` as a batch steps it."""
    return build_model(ModelOptions(timestep=BATCH_TIMESTEP, ground=ground))


class BatchSimulation:
    """B Go2s, each with its own model, stepped together one control tick at a time.

    ``ground``: what they stand on. ``model``: a scene of one's own on that ground; what else is in it comes after the
    Go2. ``torques``: what they are told are torques, see :class:`rollout.Rollouts`.
    """

    def __init__(
        self,
        robots: int,
        *,
        seed: int,
        randomization: Randomization | None = None,
        threads: int = 2,
        ground: Ground = FLAT,
        model: mujoco.MjModel | None = None,
        torques: bool = False,
    ) -> None:
        self.robots = robots
        self.rng = np.random.default_rng(seed)
        self._randomization = randomization
        self.ground = ground
        self.nominal = build_batch_model(ground) if model is None else model
        self._rollouts = Rollouts(self.nominal, threads=threads, ground=ground.height, torques=torques)
        self.models = (
            [self.nominal] * robots
            if randomization is None
            else randomize_models(self.nominal, robots, randomization, self.rng)
        )
        nominal_fraction = 1.0 if randomization is None else randomization.nominal_fraction
        self._varied = np.arange(robots) >= nominal_fraction * robots
        self._scratch = mujoco.MjData(self.nominal)
        self._full = State.zeros(self.nominal, (robots,))
        self.state = self._read(
            {
                "joint_torque": np.zeros((robots, go2.NUM_JOINTS)),
                "mechanical_power": np.zeros(robots),
                "foot_force": np.zeros((robots, 4)),
                "foot_pos": np.zeros((robots, 4, 3)),
                "foot_vel": np.zeros((robots, 4, 3)),
            }
        )
        self.reset(np.ones(robots, dtype=bool))

    @property
    def latency_steps(self) -> np.ndarray:
        """Latencies ``(B,)`` of the robots in physics steps."""
        return latency_steps(self._full.latency, self.nominal.opt.timestep)

    @property
    def full_state(self) -> State:
        """Everything that the physics of the robots goes on from, a copy."""
        return self._full.copy()

    @full_state.setter
    def full_state(self, state: State) -> None:
        """Go on from ``state (B,)``; efforts and contacts are those of before until the next tick."""
        state.check(self.nominal, (self.robots,))
        self._full = state.copy()
        self.state = self._read(self._measured())

    def reset(self, mask: np.ndarray) -> None:
        """Put the robots of ``mask (B,)`` back on their feet where they start, with small random deviations."""
        count = int(mask.sum())
        if count:
            self._draw_start(mask, count)

    def _draw_start(self, mask: np.ndarray, count: int) -> None:
        rng, scale, indices = self.rng, (0.95, 1.05), self._rollouts.indices
        start = State.zeros(self.nominal, (count,))
        start.latency[:] = self._full.latency[mask]
        if self._randomization is not None:
            scale = self._randomization.initial_joint_pos
            latency = rng.uniform(*self._randomization.latency, size=count) * self._varied[mask]
            timestep = self.nominal.opt.timestep
            start.latency[:] = latency_steps(latency, timestep) * timestep
        points, heading = self.ground.starts(count, rng)
        start.qpos[:, :2], start.qpos[:, 3:7] = points, self.ground.orientation(points, heading)
        joint_pos = go2.DEFAULT_JOINT_POS * rng.uniform(*scale, size=(count, go2.NUM_JOINTS))
        start.qpos[:, indices.qpos] = go2.clip_joint_targets(joint_pos)
        start.qvel[:, :6] = rng.uniform(-0.05, 0.05, size=(count, 6))
        feet = np.stack([self._stand_on_the_ground(qpos) for qpos in start.qpos])
        self._full.put(mask, start)
        measured = self._measured()
        for values in measured.values():
            values[mask] = 0.0
        measured["foot_pos"][mask] = feet
        self.state = self._read(measured)

    def _stand_on_the_ground(self, qpos: np.ndarray) -> np.ndarray:
        """Raise the base, in place, until the lowest foot touches the ground; the feet's positions ``(4, 3)`` [m]."""
        data = self._scratch
        data.qpos[:] = qpos
        mujoco.mj_kinematics(self.nominal, data)
        feet = data.geom_xpos[self._rollouts.indices.feet].copy()
        rise = go2.FOOT_RADIUS - (feet[:, 2] - self.ground.height(feet[:, :2])).min()
        qpos[2] += rise
        feet[:, 2] += rise
        return feet

    def push(self, delta_lin_vel_w: np.ndarray) -> None:
        """Kick the bases: add velocities ``(B, 3)`` [m/s], world frame."""
        self._full.qvel[:, :3] += delta_lin_vel_w
        self.state = self._read(self._measured())

    def step(self, joint_targets: np.ndarray) -> BatchState:
        """Hold joint targets ``(B, 12)`` [rad] (clipped to the position limits) for one control tick."""
        done = self._rollouts.run(self._full, joint_targets[:, None, None], self.models, self._watch)
        self._full = done.final[:, 0]
        self.state = done.ticks.apply(lambda array: array[:, 0, 0])
        return self.state

    def _watch(self, robots: slice, states: np.ndarray, sensors: np.ndarray) -> None:
        """For scenes that hold more than the Go2; see :data:`rollout.Watch`."""

    def _measured(self) -> dict[str, np.ndarray]:
        """Return copies of the fields of the state that are measured while stepping."""
        return {name: getattr(self.state, name).copy() for name in MEASURED}

    def _read(self, measured: dict[str, np.ndarray]) -> BatchState:
        full, rollouts = self._full, self._rollouts
        return BatchState.read(rollouts.indices, full.qpos, full.qvel, measured, rollouts.ground)
