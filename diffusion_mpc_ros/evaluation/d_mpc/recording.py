"""Recorded stretches of simulated walks, from which models predict: where, what was done, what became of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core import go2, rotations
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.transition import BASE_ANG_VEL, BASE_LIN_VEL, state_of
from diffusion_mpc_ros.policies.demonstrator import DemonstratorWalker
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.batch_state import BatchState
from diffusion_mpc_ros.simulation.state import State

# Ticks between the beginnings of two stretches.
SPACING = 50
# Ticks that a burst of noise lasts, and a pause.
BURST = 25


@dataclass(frozen=True)
class Stretches:
    """n stretches of F ticks without a fall, in physical units.

    ``state (n, 34)`` and the ``full (n,)`` state of the simulator at their beginnings, after ``previous (n, 12)``;
    ``observation (n, 45)`` of the same; ``actions (n, F, 12)`` that were executed, ``states (n, F, 34)`` after each,
    and where the base then is, ``position (n, F, 2)`` [m], seen from the beginning in its heading.
    """

    state: np.ndarray
    full: State
    previous: np.ndarray
    observation: np.ndarray
    actions: np.ndarray
    states: np.ndarray
    position: np.ndarray

    def __len__(self) -> int:
        return len(self.state)

    def first(self, count: int) -> Stretches:
        """Return ``count`` of them, or all."""
        arrays = {name: getattr(self, name)[:count] for name in self.__dataclass_fields__}
        return Stretches(**arrays)


def robot_states(state: BatchState) -> np.ndarray:
    """States ``(..., 34)`` of simulated robots."""
    observation = state.observation(
        np.zeros((*state.base_height.shape, 3)), np.zeros((*state.base_height.shape, go2.NUM_JOINTS))
    )
    return state_of(observation, state.base_lin_vel_b, state.base_height)


def seen_from(position: np.ndarray, quat_wxyz: np.ndarray, start: np.ndarray) -> np.ndarray:
    """World positions ``(n, F, 3)`` from ``start (n, 3)`` in the heading of ``quat_wxyz (n, 4)``: ``(n, F, 2)`` [m]."""
    heading = rotations.yaw(quat_wxyz)[:, None]
    x, y = np.moveaxis(position[..., :2] - start[:, None, :2], -1, 0)
    return np.stack([np.cos(heading) * x + np.sin(heading) * y, np.cos(heading) * y - np.sin(heading) * x], axis=-1)


def dead_reckoning(state: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Position ``(n, F, 2)`` [m] that the velocities of ``state (n, 34)`` and then ``states (n, F, 34)`` add up to."""
    rows = np.concatenate([state[:, None], states], axis=1)
    middle = 0.5 * (rows[:, 1:] + rows[:, :-1]) * go2.CONTROL_DT
    turned = np.cumsum(middle[..., BASE_ANG_VEL][..., 2], axis=1)
    # In the middle of a tick, half of its turn is still to come.
    heading = turned - 0.5 * middle[..., BASE_ANG_VEL][..., 2]
    x, y = np.moveaxis(middle[..., BASE_LIN_VEL][..., :2], -1, 0)
    steps = np.stack([np.cos(heading) * x - np.sin(heading) * y, np.sin(heading) * x + np.cos(heading) * y], axis=-1)
    return np.cumsum(steps, axis=1)


def bursts(robots: int, ticks: int, largest: float, rng: np.random.Generator) -> np.ndarray:
    """White noise ``(ticks, B, 12)`` [rad], half of the time; each robot's own size, up to ``largest``.

    Bursts of half of the robots are in the pauses of the others.
    """
    size = rng.uniform(0.0, largest, size=robots)
    active = (np.arange(ticks)[:, None] // BURST + np.arange(robots)) % 2
    return (size * active)[..., None] * rng.standard_normal((ticks, robots, go2.NUM_JOINTS))


def record(
    simulation: BatchSimulation,
    walker: DemonstratorWalker,
    commands: np.ndarray,
    noise: np.ndarray,
    rows: int,
    settle: int,
) -> Stretches:
    """Walk under ``walker`` with commands ``(B, 3)`` and ``noise (ticks, B, 12)`` [rad] on its actions; cut stretches.

    The first ``settle`` ticks are left out, and stretches of ``rows`` ticks in which a robot falls. Raises
    :class:`ConfigurationError` when nothing is left.
    """
    robots, ticks = simulation.robots, len(noise)
    previous = np.tile(go2.DEFAULT_JOINT_POS, (robots, 1))
    full, seen, actions, observations, alive = [], [simulation.state], [], [], [np.ones(robots, dtype=bool)]
    for tick in range(ticks):
        full.append(simulation.full_state)
        observations.append(simulation.state.observation(commands, previous))
        executed = go2.clip_joint_targets(walker.act(observations[-1]) + noise[tick])
        previous = executed
        actions.append(executed)
        seen.append(simulation.step(executed))
        alive.append(alive[-1] & ~seen[-1].fallen())
    starts = range(settle, ticks - rows, SPACING)
    parts = [_cut(start, rows, alive[start + rows], full, seen, actions, observations) for start in starts]
    if not sum(map(len, parts)):
        raise ConfigurationError(f"no robot walked {rows} ticks without a fall after the first {settle}")
    return _join(parts)


def _cut(
    start: int,
    rows: int,
    kept: np.ndarray,
    full: list[State],
    seen: list[BatchState],
    actions: list[np.ndarray],
    observations: list[np.ndarray],
) -> Stretches:
    """The stretches of the robots ``kept (B,)`` from tick ``start`` on."""
    here, after = seen[start], seen[start + 1 : start + rows + 1]
    position = np.stack([state.base_pos for state in after], axis=1)
    return Stretches(
        state=robot_states(here)[kept],
        full=full[start][kept],
        previous=observations[start][kept, -go2.NUM_JOINTS :],
        observation=observations[start][kept],
        actions=np.stack(actions[start : start + rows], axis=1)[kept],
        states=np.stack([robot_states(state) for state in after], axis=1)[kept],
        position=seen_from(position, here.base_quat_wxyz, here.base_pos)[kept],
    )


def _join(parts: list[Stretches]) -> Stretches:
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("state", "previous", "observation", "actions", "states", "position")
    }
    names = State.__dataclass_fields__
    full = State(**{name: np.concatenate([getattr(part.full, name) for part in parts]) for name in names})
    return Stretches(full=full, **arrays)
