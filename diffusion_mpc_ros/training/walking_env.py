"""The walking task as an rsl-rl vector environment on the batch simulator."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.policies.gait import GaitClock, GaitCommand
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.randomization import Randomization, variation
from diffusion_mpc_ros.training.gait_rewards import GaitMemory, GaitWeights, gait_errors, gait_rewards
from diffusion_mpc_ros.training.velocity_commands import CommandRanges, CommandSampler

# Joint target = default pose + ACTION_SCALE * action.
ACTION_SCALE = 0.25


@dataclass(frozen=True)
class WalkingEnvConfig:
    """The task: robots, episode length [ticks], pushes, rewards, commands, randomisation.

    ``default_gait_share``: robots that are asked for the default gait instead of a random one.
    """

    robots: int = 512
    episode_ticks: int = 1000
    default_gait_share: float = 0.15
    push_ticks: int = 200
    push_speed: float = 0.6  # [m/s]
    penalty_ramp_iterations: int = 350
    steps_per_iteration: int = 24
    weights: GaitWeights = field(default_factory=GaitWeights)
    commands: CommandRanges = field(default_factory=CommandRanges)
    randomization: Randomization = field(default_factory=lambda: Randomization(nominal_fraction=0.5))


def action_to_joint_targets(action: np.ndarray) -> np.ndarray:
    """Actions ``(..., 12)`` in action units to joint targets [rad], clipped to the position limits."""
    return go2.clip_joint_targets(go2.DEFAULT_JOINT_POS + ACTION_SCALE * action)


class WalkingEnv(VecEnv):
    """B Go2s that learn to follow velocity commands in a commanded gait.

    The actor sees the 45-number observation, the gait command and the gait's clock; the critic also the true base
    velocity and height, foot contacts, latency, payload and friction. The diffusion prior will see the observation
    alone.
    """

    def __init__(self, config: WalkingEnvConfig, seed: int, threads: int = 2) -> None:
        self.cfg = config
        self.num_envs, self.num_actions = config.robots, go2.NUM_JOINTS
        self.max_episode_length = config.episode_ticks
        self.device = "cpu"
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        self.simulation = BatchSimulation(self.num_envs, seed=seed, randomization=config.randomization, threads=threads)
        varied = variation(self.simulation.models, self.simulation.nominal)
        self._variation = np.column_stack([varied[name] for name in ("payload_mass", "payload_position", "friction")])
        self._rng = np.random.default_rng(seed + 1)
        self.commands = CommandSampler(self.num_envs, config.commands, self._rng)
        self.gait = self._draw_gait(self.num_envs)
        self.clock = GaitClock(self.num_envs)
        self.clock.phase = self._rng.uniform(size=self.num_envs)
        self.memory = GaitMemory(self.num_envs)
        self.previous_action = np.tile(go2.DEFAULT_JOINT_POS, (self.num_envs, 1))
        self.weights = config.weights
        self.ticks = 0

    @property
    def penalty_scale(self) -> float:
        """Ramp of all penalties from 0.1 to 1, so that the robot does not learn to stand still first."""
        ramp = self.cfg.penalty_ramp_iterations * self.cfg.steps_per_iteration
        return min(1.0, 0.1 + 0.9 * self.ticks / max(ramp, 1))

    def get_observations(self) -> TensorDict:
        """Observation groups ``policy (B, 51)``: observation, gait, clock; and ``privileged (B, 22)``.

        What stands where is also in :mod:`symmetry`.
        """
        state, command = self.simulation.state, self.commands.command
        observation = state.observation(command, self.previous_action)
        policy = np.concatenate([observation, self.gait.columns(), self.clock.features(command)], axis=1)
        privileged = np.concatenate(
            [
                state.base_lin_vel_b,
                state.base_height[:, None],
                state.foot_force / 100.0,
                state.foot_height,
                self.memory.velocity_error,
                self.simulation.latency_steps[:, None],
                np.full((self.num_envs, 1), self.penalty_scale),
                self._variation,
            ],
            axis=1,
        )
        return TensorDict(
            {
                "policy": torch.from_numpy(policy.astype(np.float32)),
                "privileged": torch.from_numpy(privileged.astype(np.float32)),
            },
            batch_size=[self.num_envs],
        )

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict]:
        """One control tick under ``actions (B, 12)`` in action units."""
        action = np.clip(actions.numpy().astype(np.float64), -10.0, 10.0)
        targets = action_to_joint_targets(action)
        state = self.simulation.step(targets)
        self.previous_action = targets
        self.ticks += 1
        self.episode_length_buf += 1
        command = self.commands.command
        self.clock.step(command, self.gait.step_frequency)
        terms = gait_rewards(state, command, self.gait, self.clock.phase, action, self.memory, self.weights)
        reward = self._reward(terms) * go2.CONTROL_DT
        fallen = state.fallen()
        timeout = self.episode_length_buf.numpy() >= self.max_episode_length
        done = fallen | timeout
        log = self._log(terms, fallen)
        self._redraw_gait(self.commands.step())
        if self.ticks % self.cfg.push_ticks == 0:
            self._push()
        self._reset(done)
        extras = {"time_outs": torch.from_numpy((timeout & ~fallen).astype(np.float32)), "log": log}
        return (
            self.get_observations(),
            torch.from_numpy(reward.astype(np.float32)),
            torch.from_numpy(done.astype(np.int64)),
            extras,
        )

    def _reward(self, terms: dict[str, np.ndarray]) -> np.ndarray:
        """``(B,)`` per second, not below 0: no robot gains by falling."""
        reward = np.zeros(self.num_envs)
        for name, value in terms.items():
            weight = getattr(self.weights, name)
            reward += (weight if weight > 0.0 else self.penalty_scale * weight) * value
        return np.maximum(reward, 0.0)

    def errors(self) -> dict[str, float]:
        """See :func:`gait_errors`, at this tick."""
        return gait_errors(self.simulation.state, self.commands.command, self.gait, self.clock.phase, self.memory)

    def _draw_gait(self, robots: int) -> GaitCommand:
        return GaitCommand.draw(robots, self._rng, default_share=self.cfg.default_gait_share)

    def _redraw_gait(self, mask: np.ndarray) -> None:
        """With every command, another gait: many more of them than episodes, and the policy learns to change over."""
        self.gait.put(mask, self._draw_gait(int(mask.sum())))

    def _push(self) -> None:
        push = np.zeros((self.num_envs, 3))
        push[:, :2] = self._rng.uniform(-self.cfg.push_speed, self.cfg.push_speed, size=(self.num_envs, 2))
        self.simulation.push(push)

    def _reset(self, done: np.ndarray) -> None:
        if not done.any():
            return
        self.simulation.reset(done)
        self.memory.reset(done)
        self.commands.redraw(done)
        self.previous_action[done] = go2.DEFAULT_JOINT_POS
        self._redraw_gait(done)
        self.clock.phase[done] = self._rng.uniform(size=int(done.sum()))
        self.episode_length_buf[torch.from_numpy(done)] = 0

    def _log(self, terms: dict[str, np.ndarray], fallen: np.ndarray) -> dict[str, float]:
        log = {f"reward/{name}": float(value.mean()) for name, value in terms.items()}
        log |= {f"error/{name}": value for name, value in self.errors().items()}
        log["walking/falls_per_tick"] = float(fallen.mean())
        return log
