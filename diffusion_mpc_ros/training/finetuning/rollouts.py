"""One iteration's rollouts: robots of all conditions walk under an actor, executed actions noisy, labels clean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.trajectory import BASE_ANG_VEL, COMMAND
from diffusion_mpc_ros.policies.conditions import MixedSimulation
from diffusion_mpc_ros.training import distributed
from diffusion_mpc_ros.training.action_noise import ActionNoise, NoiseGenerator
from diffusion_mpc_ros.training.finetuning.actors import Actor
from diffusion_mpc_ros.training.velocity_commands import CommandRanges, CommandSampler


@dataclass
class Rollouts:
    """What E robots did in L ticks; a robot that fell stands up anew in the same row."""

    observation: np.ndarray  # (E, L, 45), the command as followed
    action: np.ndarray  # (E, L, 12) [rad], the actor's clean joint targets
    executed: np.ndarray  # (E, L, 12) [rad], with noise, clipped
    base_lin_vel: np.ndarray  # (E, L, 3) [m/s], base frame, at the tick of the observation
    base_height: np.ndarray  # (E, L) [m] above the ground
    fresh: np.ndarray  # (E, L) bool, from standing up until settled, and where the actor does not teach
    fell: np.ndarray  # (E, L) bool, in this tick
    pushed: np.ndarray  # (E, L) bool, before this tick's motion
    group: np.ndarray  # (E,) which condition

    @property
    def command(self) -> np.ndarray:
        """(E, L, 3): vx, vy [m/s], yaw rate [rad/s]."""
        return self.observation[..., COMMAND]

    @property
    def velocity(self) -> np.ndarray:
        """(E, L, 3): vx, vy [m/s] and yaw rate [rad/s], base frame, as commands are meant."""
        return np.concatenate([self.base_lin_vel[..., :2], self.observation[..., BASE_ANG_VEL][..., 2:]], axis=-1)

    def usable(self, cut: int) -> np.ndarray:
        """Ticks ``(E, L)`` bool that are worth learning from: settled, and not within ``cut`` ticks before a fall."""
        before_fall = self.fell.copy()
        for ticks in range(1, cut + 1):
            before_fall[:, :-ticks] |= self.fell[:, ticks:]
        return ~(self.fresh | before_fall)

    def falls(self) -> int:
        """How often a robot fell."""
        return int(self.fell.sum())


def gathered(rollouts: Rollouts) -> Rollouts:
    """Return what the robots of all processes did, alike in each."""
    return Rollouts(**distributed.gathered(vars(rollouts)))


class Walk(Protocol):
    """Of a configuration, how robots are rolled out: for so many control ticks, under such commands and noise."""

    @property
    def ticks(self) -> int: ...
    @property
    def commands(self) -> CommandRanges: ...
    @property
    def noise(self) -> ActionNoise: ...


def roll_out(
    actor: Actor, simulation: MixedSimulation, walk: Walk, rng: np.random.Generator, label: str = ""
) -> Rollouts:
    """Let ``actor`` walk the robots of ``simulation``, commands and noise drawn by ``rng``; ``label``: of a bar."""
    robots = simulation.robots
    commands = CommandSampler(robots, walk.commands, rng)
    noise = NoiseGenerator(robots, walk.noise, rng)
    previous = np.tile(go2.DEFAULT_JOINT_POS, (robots, 1))
    settle_ticks = np.broadcast_to(actor.settle_ticks, robots)
    settling = settle_ticks
    record: dict[str, list[np.ndarray]] = {}
    for tick in tqdm(range(walk.ticks), unit="tick", desc=label, disable=not label):
        state = simulation.state
        action = go2.clip_joint_targets(actor.joint_targets(state.robot_state(tick, previous), commands.command))
        executed = go2.clip_joint_targets(action + noise.step())
        row = {
            "observation": state.observation(commands.command, previous),
            "action": action,
            "executed": executed,
            "base_lin_vel": state.base_lin_vel_b,
            "base_height": state.base_height,
            "fresh": (settling > 0) | ~np.broadcast_to(actor.teaches, robots),
        }
        fallen = simulation.step(executed).fallen()
        row |= {"fell": fallen, "pushed": simulation.pushed.copy()}
        for name, values in row.items():
            record.setdefault(name, []).append(values if values.dtype == bool else values.astype(np.float32))
        settling = np.where(fallen, settle_ticks, np.maximum(settling - 1, 0))
        commands.step()
        previous = np.where(fallen[:, None], go2.DEFAULT_JOINT_POS, executed)
        if fallen.any():
            simulation.reset(fallen)
            actor.reset(fallen)
            commands.redraw(fallen)
    arrays = {name: np.stack(values, axis=1) for name, values in record.items()}
    return Rollouts(**arrays, group=simulation.group.copy())
