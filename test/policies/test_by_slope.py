"""A batch that walks uphill gets the uphill preset, ramped, once and for all robots."""

import numpy as np

from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.policies.by_slope import BySlopeController
from diffusion_mpc_ros.policies.closed_loop import run_closed_loop
from diffusion_mpc_ros.policies.conditions import Condition, MixedSimulation
from diffusion_mpc_ros.policies.objectives import make_composer
from diffusion_mpc_ros.rewards.by_slope import DWELL_TIME, UPHILL


def test_the_slope_under_the_median_robot_chooses_for_all(monkeypatch):
    # One of three stands on flat ground.
    groups = [(Condition(ground, grounds=(ground,)), count) for ground, count in (("flat", 1), ("slope_up:12", 2))]
    simulation = MixedSimulation(groups, seed=3)
    walker, followed = BySlopeController(load(model_folder("go2")), 3), {}
    plan = walker._walker._planner.plan

    def note(request):
        followed[request.tick] = request.rewards
        return plan(request)

    monkeypatch.setattr(walker._walker._planner, "plan", note)
    run_closed_loop(walker, simulation, np.tile([0.5, 0.0, 0.0], (3, 1)), 90)
    uphill = make_composer().preset_settings(UPHILL)
    weighed = [tick for tick, rewards in followed.items() if any(rewards.weights.values())]
    assert min(weighed) * 0.02 >= DWELL_TIME and followed[max(followed)].weights == uphill.weights
    # The ramp of 1 s counts as one change.
    assert {rewards.revision for rewards in followed.values()} == {0, 1}
    assert 0.0 < followed[weighed[0]].weights["posture"] < uphill.weights["posture"]
