"""Many robots rolled out from full states under candidate joint targets: :mod:`mujoco.rollout` behind names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from mujoco import rollout

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import make_observation
from diffusion_mpc_ros.simulation import motors
from diffusion_mpc_ros.simulation.batch_state import BatchState, GroundHeight, flat
from diffusion_mpc_ros.simulation.model import BASE_BODY, ModelIndices
from diffusion_mpc_ros.simulation.state import HISTORY, State, latency_steps

# What one call of mujoco.rollout may write [numbers]: 32 MiB. More rollouts go through it in blocks.
BLOCK_NUMBERS = 4 * 2**20
# Called with the rollouts ``slice`` of a block, its states before, between and after the physics steps
# ``(m, steps + 1, 1 + nq + nv + na)``, and its sensor readings in each step ``(m, steps, nsensordata)``.
Watch = Callable[[slice, np.ndarray, np.ndarray], None]


@dataclass(frozen=True)
class Rollout:
    """What B robots do under N candidate plans of H ticks each."""

    joint_targets: np.ndarray  # (B, N, H, 12) [rad], within the position limits
    ticks: BatchState  # (B, N, H, ...), after each tick; torque and power are means over it
    final: State  # (B, N), after the last tick

    def measured(self) -> dict[str, np.ndarray]:
        """Return what no row of a trajectory says, by the outcomes that reward terms read, each ``(B, N, H, ...)``.

        Entry h is of the tick that row h begins: efforts are means over it, all else is true at its end.
        """
        ticks = self.ticks
        return {
            "base_height": ticks.base_height,  # [m]
            "base_lin_vel": ticks.base_lin_vel_b,  # (..., 3) [m/s], base frame
            "foot_positions": ticks.foot_pos,  # (..., 4, 3) [m], world, of the feet's centres
            "foot_height": ticks.foot_height,  # (..., 4) [m], of the same above the ground
            "foot_contact": ticks.foot_contact,  # (..., 4) bool
            "joint_torque": ticks.joint_torque,  # (..., 12) [N m]
            "mechanical_power": ticks.mechanical_power,  # [W]
            "fallen": ticks.fallen(),  # bool
        }

    def trajectory(self, observation: np.ndarray, command: np.ndarray) -> np.ndarray:
        """Trajectories ``(B, N, H + 1, 57)`` as reward terms take them.

        Row 0 begins with ``observation (B, 45)``, the others with what was simulated, under ``command (B, 3)``. The
        last row repeats the last joint targets.
        """
        targets, ticks = self.joint_targets, self.ticks
        robots, candidates, horizon, joints = targets.shape
        simulated = make_observation(
            base_ang_vel=ticks.base_ang_vel_b,
            projected_gravity=ticks.projected_gravity_b,
            command=np.broadcast_to(command[:, None, None], (robots, candidates, horizon, 3)),
            joint_pos=ticks.joint_pos,
            joint_vel=ticks.joint_vel,
            previous_action=targets,
        )
        first = np.broadcast_to(observation[:, None, None], (robots, candidates, 1, observation.shape[-1]))
        rows = np.concatenate([first, simulated], axis=2)
        return np.concatenate([rows, np.concatenate([targets, targets[:, :, -1:]], axis=2)], axis=-1)

    def chosen(self, candidates: np.ndarray) -> Rollout:
        """Return one candidate of each robot, ``(B, 1, ...)``; ``candidates (B,)``: which."""
        robots = np.arange(len(candidates))

        def choose(array: np.ndarray) -> np.ndarray:
            return array[robots, candidates][:, None]

        return Rollout(choose(self.joint_targets), self.ticks.apply(choose), self.final.apply(choose))


class Rollouts:
    """Rolls robots out in ``model``, which holds the Go2 first; any time step that divides the control tick does.

    ``threads`` of the physics; with one it runs in the calling thread. ``ground``: heights of the model's ground.
    ``torques``: what is called joint targets here are torques [N m] that come on top of the PD law's.
    Raises :class:`ConfigurationError` for a model that does not fit.
    """

    def __init__(
        self, model: mujoco.MjModel, *, threads: int = 2, ground: GroundHeight = flat, torques: bool = False
    ) -> None:
        self.steps = _steps_per_tick(model)
        self.model, self.indices, self.ground = model, ModelIndices.of(model), ground
        self._row_size = 1 + model.nq + model.nv + model.na
        self._datas = [mujoco.MjData(model) for _ in range(threads)]
        self._rollout = rollout.Rollout(nthread=threads if threads > 1 else 0)
        self._buffers = np.empty(0)
        self._input = motors.INPUTS.index("torque" if torques else "position")
        self._limits = (
            (-go2.JOINT_TORQUE_MAX, go2.JOINT_TORQUE_MAX) if torques else (go2.JOINT_POS_MIN, go2.JOINT_POS_MAX)
        )

    def run(
        self,
        start: State,
        joint_targets: np.ndarray,
        models: Sequence[mujoco.MjModel] | None = None,
        watch: Watch | None = None,
    ) -> Rollout:
        """Roll B robots out from ``start (B,)`` under ``joint_targets (B, N, H, 12)`` [rad], clipped to the limits.

        ``models``: one of each robot, of the sizes of :attr:`model`, which is the default. A rollout that MuJoCo cannot
        go on with lies at the origin from then on: it has fallen, and its numbers are finite.
        """
        targets = np.asarray(joint_targets, dtype=np.float64)
        if targets.ndim != 4 or targets.shape[-1] != go2.NUM_JOINTS or not targets.size:
            raise ConfigurationError(f"joint targets (B, N, H, {go2.NUM_JOINTS}) are needed, got {targets.shape}")
        robots, candidates, horizon = targets.shape[:3]
        start.check(self.model, (robots,))
        models = [self.model] * robots if models is None else models
        if len(models) != robots:
            raise ConfigurationError(f"a model for each of {robots} robots is needed, got {len(models)}")
        targets = np.clip(targets, *self._limits)
        states = start.apply(lambda array: np.repeat(array, candidates, axis=0))
        flat_targets = targets.reshape(robots * candidates, horizon, go2.NUM_JOINTS)
        flat_models = [model for model in models for _ in range(candidates)]
        rows = max(BLOCK_NUMBERS // (horizon * self.steps * (self._row_size + self.model.nsensordata)), 1)
        parts = [
            self._run_block(part, states[part], flat_targets[part], flat_models[part], watch)
            for part in (slice(first, first + rows) for first in range(0, len(flat_targets), rows))
        ]
        shape = robots, candidates
        ticks = BatchState.concatenate([ticks for ticks, _ in parts])
        ends = np.concatenate([end for _, end in parts])
        return Rollout(
            joint_targets=targets,
            ticks=ticks.apply(lambda array: array.reshape(*shape, *array.shape[1:])),
            final=self._final(states, ends, flat_targets).apply(lambda array: array.reshape(*shape, *array.shape[1:])),
        )

    def _run_block(
        self, part: slice, states: State, targets: np.ndarray, models: list[mujoco.MjModel], watch: Watch | None
    ) -> tuple[BatchState, np.ndarray]:
        """Ticks ``(m, H, ...)`` and last physics states ``(m, nx)`` of ``m`` rollouts."""
        rollouts, horizon = targets.shape[:2]
        steps = horizon * self.steps
        trace, sensors = self._outputs(rollouts, steps)
        first = states.rows()
        self._rollout.rollout(
            models, self._datas, first, self._controls(states, targets),
            nstep=steps, initial_warmstart=np.ascontiguousarray(states.warmstart), state=trace, sensordata=sensors,
            skip_checks=True,
        )  # fmt: skip
        before = np.concatenate([first[:, None], trace], axis=1)
        if watch is not None:
            watch(slice(part.start, part.start + rollouts), before, sensors)
        ends, measured = self._measure(before, sensors, horizon)
        qpos, qvel = ends[..., 1 : 1 + self.model.nq], ends[..., 1 + self.model.nq :][..., : self.model.nv]
        return BatchState.read(self.indices, qpos, qvel, measured, self.ground), ends[:, -1]

    def _outputs(self, rollouts: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Physics states and sensor readings of each step, in memory that is used again."""
        sizes = [rollouts * steps * size for size in (self._row_size, self.model.nsensordata)]
        if self._buffers.size < sum(sizes):
            self._buffers = np.empty(sum(sizes))
        states, sensors = self._buffers[: sizes[0]], self._buffers[sizes[0] : sum(sizes)]
        return states.reshape(rollouts, steps, -1), sensors.reshape(rollouts, steps, -1)

    def _controls(self, states: State, targets: np.ndarray) -> np.ndarray:
        """Return controls ``(m, H * steps, nu)`` of the motors, each joint target late by the robot's latency."""
        controls = np.zeros((len(targets), targets.shape[1] * self.steps, self.model.nu))
        late = latency_steps(states.latency, self.model.opt.timestep)
        if late.any():
            # Oldest first; the target of the first tick of the rollout is entry HISTORY.
            known = np.concatenate([states.joint_targets[:, ::-1], targets], axis=1)
            step = np.arange(controls.shape[1])
            given = HISTORY + (step - late[:, None]) // self.steps
            targets = np.take_along_axis(known, np.maximum(given, 0)[..., None], axis=1)
        else:
            targets = np.repeat(targets, self.steps, axis=1)
        controls[..., self.indices.inputs[:, self._input]] = targets
        return controls

    def _measure(
        self, states: np.ndarray, sensors: np.ndarray, horizon: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Physics states ``(m, H, nx)`` at the ends of the ticks, and what the motors and feet did.

        ``states (m, steps + 1, nx)``, ``sensors (m, steps, ns)``. MuJoCo finds the forces and the sensors of a step in
        the state before it.
        """
        indices, by_tick = self.indices, (len(states), horizon, self.steps)
        velocities = states[:, :-1, 1 + self.model.nq + indices.qvel]
        torques = sensors[:, :, indices.torque]
        powers = np.abs(torques * velocities).sum(axis=-1)
        last = sensors[:, self.steps - 1 :: self.steps]
        ends = states[:, self.steps :: self.steps].copy()
        measured = {
            "joint_torque": torques.reshape(*by_tick, -1).mean(axis=2),
            "mechanical_power": powers.reshape(by_tick).mean(axis=2),
            "foot_force": last[..., indices.touch],
            "foot_pos": last[..., indices.foot_position],
            "foot_vel": last[..., indices.foot_velocity],
        }
        # A state that MuJoCo cannot go on with it puts back to the model's own, at time 0.
        late = states[:, :1, 0] + go2.CONTROL_DT * np.arange(1, horizon + 1) - ends[..., 0]
        broken = ~(np.isfinite(ends).all(axis=-1) & (np.abs(late) < 0.5 * self.model.opt.timestep))
        broken = np.logical_or.accumulate(broken, axis=1)
        if broken.any():
            ends[broken] = 0.0
            ends[broken, 4] = 1.0
            for values in measured.values():
                values[broken] = 0.0
        return ends, measured

    def _final(self, start: State, ends: np.ndarray, targets: np.ndarray) -> State:
        """Return the states ``(m,)`` after targets ``(m, H, 12)``, whose physics are ``ends (m, nx)``."""
        velocity, activation = 1 + self.model.nq, 1 + self.model.nq + self.model.nv
        known = np.concatenate([start.joint_targets[:, ::-1], targets], axis=1)
        return State(
            time=ends[:, 0],
            qpos=ends[:, 1:velocity],
            qvel=ends[:, velocity:activation],
            act=ends[:, activation:],
            warmstart=np.zeros_like(start.warmstart),
            joint_targets=known[:, : -HISTORY - 1 : -1].copy(),
            latency=start.latency,
        )


def _steps_per_tick(model: mujoco.MjModel) -> int:
    """Physics steps in a control tick; refuses a model that does not begin with the Go2's base."""
    joint = model.body(BASE_BODY).jntadr[0]
    first = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])
    steps = round(go2.CONTROL_DT / model.opt.timestep)
    if first != (0, 0) or steps < 1 or abs(steps * model.opt.timestep - go2.CONTROL_DT) > 1e-9:
        raise ConfigurationError(
            f"rollouts need the Go2's base at addresses (0, 0) of qpos and qvel and a time step that divides "
            f"{go2.CONTROL_DT} s, the scene has it at {first} and steps of {model.opt.timestep} s"
        )
    return steps
