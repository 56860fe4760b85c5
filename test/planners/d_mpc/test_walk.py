"""The shipped D-MPC artefact in closed loop: it stands, starts, walks as it is told, and heeds a reward."""

import numpy as np

from diffusion_mpc_ros.core.types import RewardSettings, Timing
from diffusion_mpc_ros.planners.d_mpc.settings import DMpcSettings, make
from diffusion_mpc_ros.policies.closed_loop import COMMANDS, AsynchronousController, run_closed_loop
from diffusion_mpc_ros.simulation.batch import BatchSimulation

TIMING = Timing(horizon=11, replan_margin=1, replan_interval=2)


def test_it_walks_as_it_is_told():
    planner = make(DMpcSettings(candidates=8), TIMING, False).levels[0]
    commands = np.array(COMMANDS)
    simulation = BatchSimulation(len(commands), seed=0, threads=1)
    scores = run_closed_loop(AsynchronousController(planner, latency_ticks=1), simulation, commands, 150)
    assert scores.survived().all()
    # After a second, over two cycles of the trot.
    np.testing.assert_allclose(scores.velocity[50:].mean(axis=0), commands, atol=0.12)
    assert (scores.base_height[50:] > 0.22).all()


def test_a_reward_at_run_time_moves_the_base():
    heights = []
    for settings in (
        RewardSettings(),
        RewardSettings(1, {"base_height": 8000.0}, {"base_height.target": np.array([0.2])}),
    ):
        planner = make(DMpcSettings(candidates=32), TIMING, False).levels[0]
        controller = AsynchronousController(planner, lambda tick, settings=settings: settings, latency_ticks=1)
        simulation = BatchSimulation(2, seed=1, threads=1)
        scores = run_closed_loop(controller, simulation, np.array([[0.5, 0.0, 0.0]]).repeat(2, axis=0), 150)
        assert scores.survived().all()
        heights.append(scores.base_height[75:].mean())
    assert heights[1] < heights[0] - 0.01
