"""The walking task as an rsl-rl vector environment on the batch simulator."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.simulation.batch import TRAINING_MODEL, BatchSimulation
from diffusion_mpc_ros.simulation.randomization import Randomization
from diffusion_mpc_ros.training.commands import CommandRanges, CommandSampler
from diffusion_mpc_ros.training.gait_rewards import GaitMemory, GaitWeights, gait_rewards

# Joint target = default pose + ACTION_SCALE * action.
ACTION_SCALE = 0.25
_TRACKING = ("progress", "linear_velocity", "yaw_rate", "base_height", "trot", "air_time", "swing_height")


@dataclass(frozen=True)
class WalkingEnvConfig:
    """The task: robots, episode length [ticks], randomisation, commands, hidden base height [m], pushes, rewards."""

    robots: int = 512
    episode_ticks: int = 1000
    base_height: tuple[float, float] = (0.20, 0.32)
    push_ticks: int = 200
    push_speed: float = 0.5  # [m/s]
    penalty_ramp_iterations: int = 350
    steps_per_iteration: int = 24
    latency: tuple[float, float] = (0.0, 0.03)  # [s]
    initial_joint_pos: tuple[float, float] = (0.8, 1.2)
    weights: GaitWeights = field(default_factory=GaitWeights)
    commands: CommandRanges = field(default_factory=CommandRanges)


def action_to_joint_targets(action: np.ndarray) -> np.ndarray:
    """Actions ``(..., 12)`` in action units to joint targets [rad], clipped to the position limits."""
    return go2.clip_joint_targets(go2.DEFAULT_JOINT_POS + ACTION_SCALE * action)


class WalkingEnv(VecEnv):
    """B Go2s that learn to follow velocity commands at a commanded base height.

    The actor sees the 45-number observation and the base height command; the critic also the true base velocity and
    height, foot contacts and latency. The height command is hidden from the diffusion prior later.
    """

    def __init__(self, config: WalkingEnvConfig, seed: int, threads: int = 2) -> None:
        self.cfg = config
        self.num_envs, self.num_actions = config.robots, go2.NUM_JOINTS
        self.max_episode_length = config.episode_ticks
        self.device = "cpu"
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        randomization = Randomization(latency=config.latency, initial_joint_pos=config.initial_joint_pos)
        self.simulation = BatchSimulation(
            self.num_envs, seed=seed, options=TRAINING_MODEL, randomization=randomization, threads=threads
        )
        self._rng = np.random.default_rng(seed + 1)
        self.commands = CommandSampler(self.num_envs, config.commands, self._rng)
        self.height_command = self._rng.uniform(*config.base_height, size=self.num_envs)
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
        """Observation groups ``policy (B, 46)`` and ``privileged (B, 15)``."""
        state = self.simulation.state
        observation = state.observation(self.commands.command, self.previous_action)
        policy = np.concatenate([observation, self.height_command[:, None]], axis=1)
        privileged = np.concatenate(
            [
                state.base_lin_vel_b,
                state.base_pos[:, 2:],
                state.foot_force / 100.0,
                state.foot_pos[..., 2],
                self.memory.air_time.sum(axis=1, keepdims=True),
                self.simulation.latency_steps[:, None],
                np.full((self.num_envs, 1), self.penalty_scale),
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
        terms = gait_rewards(state, self.commands.command, self.height_command, action, self.memory, self.weights)
        reward = np.zeros(self.num_envs)
        for name, value in terms.items():
            scale = 1.0 if name in _TRACKING else self.penalty_scale
            reward += scale * getattr(self.weights, name) * value
        reward = np.maximum(reward, 0.0) * go2.CONTROL_DT
        fallen = state.fallen()
        timeout = self.episode_length_buf.numpy() >= self.max_episode_length
        done = fallen | timeout
        log = self._log(terms, fallen)
        self.commands.step()
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

    def simulation_error(self) -> float:
        """Mean planar velocity error [m/s] at this tick, for progress bars."""
        return float(np.linalg.norm(self._velocity_error(), axis=1).mean())

    def _velocity_error(self) -> np.ndarray:
        return self.commands.command[:, :2] - self.simulation.state.base_lin_vel_b[:, :2]

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
        self.height_command[done] = self._rng.uniform(*self.cfg.base_height, size=int(done.sum()))
        self.episode_length_buf[torch.from_numpy(done)] = 0

    def _log(self, terms: dict[str, np.ndarray], fallen: np.ndarray) -> dict[str, float]:
        log = {f"reward/{name}": float(value.mean()) for name, value in terms.items()}
        log["walking/velocity_error"] = self.simulation_error()
        log["walking/falls_per_tick"] = float(fallen.mean())
        return log
