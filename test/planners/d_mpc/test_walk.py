"""The shipped D-MPC artefact in closed loop: it stands, starts and walks as it is told."""

import numpy as np

from diffusion_mpc_ros.core.types import Timing
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
