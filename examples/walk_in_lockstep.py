"""The shipped planner walks a simulated Go2 in lock-step: no processes, no ROS, no real time, the same plans.

    .venv/bin/python examples/walk_in_lockstep.py

For experiments: the robot waits while you compute, look, or change a reward between two ticks.
"""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.constraints.registry import CONSTRAINTS
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DEFAULT_JOINT_POS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.resources import config_file, model_folder
from diffusion_mpc_ros.core.types import JointCommand, RewardSettings
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.rewards.presets import load_presets
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose

COMMAND = np.array([[0.5, 0.0, 0.0]])  # vx, vy [m/s], yaw rate [rad/s]; one robot


def main(ticks: int = 400) -> list[float]:
    """Walk, the second half with slower joints; mean squared joint velocities [rad^2/s^2] of both halves."""
    simulation = Go2Simulation()
    simulation.reset(Pose.STANDING)
    composer = RewardComposer(load_presets(config_file("rewards.yaml")), CONSTRAINTS)
    plain, slow = RewardSettings(), composer.preset_settings("joint_velocity")
    planner = DiffusionMpcPlanner(load(model_folder("go2")), DiffusionMpcConfig())
    # What the node planner and command_publisher do together: when to plan, and which row is executed.
    controller = AsynchronousController(planner, lambda tick: plain if tick < ticks // 2 else slow)
    targets, squares = DEFAULT_JOINT_POS, []
    for tick in range(ticks):
        targets = controller.joint_targets(simulation.robot_state(tick, targets).batched(), COMMAND)[0]
        lowstate = simulation.step_control_tick(JointCommand.position(targets, WALKING_KP, WALKING_KD))
        squares.append(float(np.mean(lowstate.joint_vel**2)))
        if simulation.fallen():
            raise SystemExit(f"it fell at tick {tick}")
    distance = simulation.truth().position[0]
    print(f"{distance:.2f} m in {ticks * CONTROL_DT:.0f} s")
    # Without the first second, in which it accelerates, and the one in which the reward begins to act.
    halves = [float(np.mean(squares[start + 50 : start + ticks // 2])) for start in (0, ticks // 2)]
    print(f"mean squared joint velocity {halves[0]:.1f}, then {halves[1]:.1f} rad^2/s^2")
    return halves


if __name__ == "__main__":
    main()
