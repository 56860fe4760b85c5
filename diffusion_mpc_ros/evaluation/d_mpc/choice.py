"""Does D-MPC choose well: candidates of one moment, as they are predicted and as they come out.

Each is rolled out in MuJoCo from the full state; the second after it is walked under single proposals.
"""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.trajectory import COMMAND
from diffusion_mpc_ros.core.transition import BASE_HEIGHT, JOINT_VEL
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings, Timing
from diffusion_mpc_ros.evaluation.d_mpc.recording import Stretches, robot_states
from diffusion_mpc_ros.planners.d_mpc.description import COST_TO_GO
from diffusion_mpc_ros.planners.d_mpc.loading import Models
from diffusion_mpc_ros.planners.d_mpc.planner import DMpcConfig, DMpcPlanner
from diffusion_mpc_ros.planners.d_mpc.scoring import tracking_error
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.rollout import Rollout, Rollouts

# What candidates differ in, each the less the better, and its unit: what the score of a walk without rewards is made
# of, and two things that rewards ask for.
MEASURES = {
    "tracking": "m^2/s^2",
    "tracking_to_go": "m^2/s^2",
    "joint_velocity": "rad^2/s^2",
    "base_height": "m",
}
# Ticks after the window that the to-go counts, and what a tick counts at most: as the value model was taught.
AFTER, FALLEN = 50, 1.0


def compare_candidates(models: Models, stretches: Stretches, candidates: int, seed: int) -> dict[str, dict[str, float]]:
    """How N = ``candidates`` of each stretch are told apart, for each of :data:`MEASURES`.

    ``correlation``: of the ranks as predicted with the ranks as they came out, mean over the stretches. Of what came
    out: ``mean`` over all candidates, that of the ``chosen`` one, which was predicted to have the least, and the
    ``least``.
    """
    rng, n = np.random.default_rng(seed), len(stretches) * candidates
    state, previous, command = (
        np.repeat(array, candidates, axis=0)
        for array in (stretches.state, stretches.previous, stretches.observation[:, COMMAND])
    )
    noise = rng.standard_normal((n, models.rows, NUM_JOINTS))
    actions = models.proposals(noise, state, previous, command, np.zeros((n, 0, NUM_JOINTS)))
    states = models.dynamics(np.zeros((n, models.rows, state.shape[1])), state, previous, actions)
    predicted = measures(command, states, models.values(state, command, actions, states)[COST_TO_GO])
    simulation = BatchSimulation(n, seed=seed, threads=1)
    rollout = Rollouts(simulation.nominal, threads=1).run(
        stretches.full, actions.reshape(len(stretches), candidates, *actions.shape[1:])
    )
    happened = robot_states(rollout.ticks).reshape(states.shape)
    realised = measures(command, happened, cost_after(models, simulation, rollout, command, seed))
    return {name: told_apart(predicted[name], realised[name], candidates) for name in MEASURES}


def measures(command: np.ndarray, states: np.ndarray, to_go: np.ndarray) -> dict[str, np.ndarray]:
    """:data:`MEASURES` of windows ``(n,)`` with ``states (n, F, 34)`` under ``command (n, 3)``, and ``to_go (n,)``."""
    return {
        "tracking": tracking_error(command, states),
        "tracking_to_go": to_go,
        "joint_velocity": (states[..., JOINT_VEL] ** 2).mean(axis=(1, 2)),
        "base_height": states[..., BASE_HEIGHT].mean(axis=(1, 2)),
    }


def cost_after(
    models: Models, simulation: BatchSimulation, rollout: Rollout, command: np.ndarray, seed: int
) -> np.ndarray:
    """Mean tracking cost ``(n,)`` of the :data:`AFTER` ticks after ``rollout (B, N)``, n = B N, under single proposals.

    Of ticks as `train value` has them: at most :data:`FALLEN`, and that after a fall.
    """
    planner = DMpcPlanner(models, DMpcConfig(candidates=1, seed=seed), Timing(models.rows, 0, 1))
    previous = rollout.joint_targets[:, :, -1].reshape(-1, NUM_JOINTS)
    simulation.full_state = rollout.final.apply(lambda array: array.reshape(len(command), *array.shape[2:]))
    fallen, total = simulation.state.fallen(), np.zeros(len(command))
    for tick in range(AFTER):
        request = PlanRequest(simulation.state.robot_state(tick, previous), command, RewardSettings())
        previous = planner.plan(request).joint_targets[0]
        now = simulation.step(previous)
        fallen |= now.fallen()
        error = tracking_error(command, robot_states(now)[:, None])
        total += np.where(fallen, FALLEN, np.minimum(error, FALLEN))
    return total / AFTER


def told_apart(predicted: np.ndarray, realised: np.ndarray, candidates: int) -> dict[str, float]:
    """See :func:`compare_candidates`; ``predicted (n,)``, ``realised (n,)`` of candidates one stretch after another."""
    predicted, realised = predicted.reshape(-1, candidates), realised.reshape(-1, candidates)
    ranks = [values.argsort(axis=1).argsort(axis=1) - (candidates - 1) / 2 for values in (predicted, realised)]
    chosen = realised[np.arange(len(realised)), predicted.argmin(axis=1)]
    return {
        "correlation": float(((ranks[0] * ranks[1]).sum(axis=1) / (ranks[0] ** 2).sum(axis=1)).mean()),
        "mean": float(realised.mean()),
        "chosen": float(chosen.mean()),
        "least": float(realised.min(axis=1).mean()),
    }
