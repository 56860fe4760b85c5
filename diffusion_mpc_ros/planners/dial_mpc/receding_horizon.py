"""DIAL-MPC on a robot whose whole state is known, in lock-step: it waits for each plan (Algorithm 1)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.planners.dial_mpc.task import Task
from diffusion_mpc_ros.planners.sampling.memory import Memory
from diffusion_mpc_ros.planners.sampling.search import Search
from diffusion_mpc_ros.simulation.rollout import Rollouts
from diffusion_mpc_ros.simulation.state import State

# Iterations of a first plan, which begins from nothing (the authors').
FIRST_ITERATIONS = 10


class RecedingHorizon:
    """Searches from the state of each tick, executes one row, shifts the rest.

    ``rollouts``: in the world that is planned in, whose states are those of the robot's.
    """

    def __init__(
        self, task: Task, rollouts: Rollouts, search: Search, first_iterations: int = FIRST_ITERATIONS, seed: int = 0
    ) -> None:
        self._task, self._rollouts, self._search, self._seed = task, rollouts, search, seed
        iterations = max(first_iterations, search.annealing.iterations)
        self._first = replace(search.annealing, iterations=iterations)
        self._memory = Memory()
        self._last = task.control_range.start[None]

    def joint_targets(self, state: State, tick: int) -> np.ndarray:
        """Return the joint targets ``(12,)`` [rad], or torques, to execute at ``tick`` from ``state (1,)`` on."""
        knots, controls = self._search.knots, self._task.control_range
        shape = 1, knots.count, go2.NUM_JOINTS
        known = self._memory.at(knots, tick - 1, shape)
        mean = np.zeros(shape) if known is None else known
        # Row 0 is what is held already; it is not searched over.
        mean[:, 0] = controls.controls(self._last)

        def evaluate(samples: np.ndarray) -> np.ndarray:
            rollout = self._rollouts.run(state, controls.targets(samples[:, :, 1:]))
            return self._task.score(rollout.ticks, tick)

        rng = np.random.default_rng([self._seed, tick])
        found = self._search.run(mean, evaluate, rng, self._first if known is None else None)
        self._memory.keep(found, tick - 1)
        self._last = controls.targets(knots.rows(found)[:, 1])
        return self._last[0]
