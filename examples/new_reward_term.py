"""A reward term of one's own, tried on a walking robot within seconds: a wide stance.

    .venv/bin/python examples/new_reward_term.py

DIAL-MPC measures what terms read in rollouts, so that a new term acts at once, without training and without an export.
To keep it: put the function into rewards/terms.py, its entry into rewards/registry.py (CONTRIBUTING.md), and export the
model that Diffusion-MPC plans with anew: diffusion-mpc train export --artefact go2.
"""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.types import JointCommand, RewardSettings, Timing
from diffusion_mpc_ros.rewards.registry import TERMS, RewardTerm
from diffusion_mpc_ros.rewards.terms import Array, Parameters, Segment

# Before a planner is imported: it knows the terms that are registered by then.
OUTWARD = np.array([-1.0, 1.0, -1.0, 1.0])  # FR, FL, RR, RL: the sign of a hip joint that points away from the body
STANCE = 0.35  # [rad]


def wide_stance(segment: Segment, parameters: Parameters) -> Array:
    """Return ``-1/H sum_t |outward q_hip - 0.35 rad|^2`` [rad^2], ``(N,)``."""
    error = segment.joint_pos[..., 0::3] * OUTWARD - STANCE
    return -(error**2).sum(axis=(1, 2)) / error.shape[1]


TERMS["wide_stance"] = RewardTerm("wide_stance", wide_stance, "rad^2", 1e4, "Legs apart.")


def main(ticks: int = 300, weight: float = 300.0) -> list[float]:
    """Walk, the second half with the new term; the mean outward hip angles [rad] of both halves."""
    from diffusion_mpc_ros.planners.registry import best_level, settings_of
    from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
    from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose

    simulation = Go2Simulation()
    simulation.reset(Pose.STANDING)
    plain, wide = RewardSettings(), RewardSettings(1, {"wide_stance": weight})
    planner = best_level("dial_mpc", settings_of("dial_mpc")(), Timing(replan_margin=1, replan_interval=1))
    controller = AsynchronousController(planner, lambda tick: plain if tick < ticks // 2 else wide)
    targets, hips = DEFAULT_JOINT_POS, []
    for tick in range(ticks):
        targets = controller.joint_targets(simulation.robot_state(tick, targets).batched(), np.array([[0.3, 0, 0]]))[0]
        lowstate = simulation.step_control_tick(JointCommand.position(targets, WALKING_KP, WALKING_KD))
        hips.append(float((lowstate.joint_pos[0::3] * OUTWARD).mean()))
        if simulation.fallen():
            raise SystemExit(f"it fell at tick {tick}")
    halves = [float(np.mean(hips[start + 50 : start + ticks // 2])) for start in (0, ticks // 2)]
    print(f"hips {halves[0]:.2f} rad outward, then {halves[1]:.2f}")
    return halves


if __name__ == "__main__":
    main()
