"""What `evaluate d-mpc` asks of a walk, how candidates are told apart, what adapted dynamics mend: by hand."""

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.evaluation.bag_minutes import FromBag
from diffusion_mpc_ros.evaluation.d_mpc import asked, changes
from diffusion_mpc_ros.evaluation.d_mpc.choice import told_apart
from diffusion_mpc_ros.evaluation.experiments.d_mpc import with_changes
from diffusion_mpc_ros.planners.d_mpc.settings import DMpcSettings
from diffusion_mpc_ros.policies.objectives import OBJECTIVES
from diffusion_mpc_ros.simulation.batch import BatchSimulation


def tilted(simulation, pitch):
    """Robots with the nose down by ``pitch`` [rad]."""
    full = simulation.full_state
    full.qpos[:, 3:7] = [np.cos(pitch / 2), 0.0, np.sin(pitch / 2), 0.0]
    simulation.full_state = full
    return simulation.state


def test_new_rewards_are_judged_by_what_they_ask_for():
    simulation = BatchSimulation(2, seed=0, threads=1)
    down, up = (tilted(simulation, pitch) for pitch in (asked.LUNGE, -0.1))
    np.testing.assert_allclose(asked.pitch_error(down, down), 0.0, atol=1e-9)
    np.testing.assert_allclose(asked.pitch_error(up, up), asked.LUNGE + 0.1, atol=1e-9)
    np.testing.assert_allclose(asked.height_error(down, down), np.abs(down.base_height - 0.24))
    moving = simulation.full_state
    moving.qvel[:, 6:] = 0.0
    for joint in simulation.nominal.joint("RR_thigh_joint").dofadr:
        moving.qvel[:, joint] = 3.0
    simulation.full_state = moving
    # 3 rad/s in one of the three joints of the rear right leg.
    np.testing.assert_allclose(asked.leg_speed(simulation.state, simulation.state), 3.0)


def test_a_lunge_is_what_the_reward_points_to():
    settings = asked.ASKED["lunge"].settings
    state = tilted(BatchSimulation(1, seed=0, threads=1), asked.LUNGE)
    np.testing.assert_allclose(settings.parameters["align.direction"], state.projected_gravity_b[0], atol=1e-9)
    assert settings.weights["align"] > 0.0
    assert asked.ASKED["height"].settings.parameters["base_height.target"] == pytest.approx(asked.HEIGHT)
    assert set(asked.ASKED) == {*OBJECTIVES, *asked.NEW_REWARDS}


def test_candidates_are_told_apart_by_ranks():
    realised = np.array([3.0, 1.0, 2.0, 5.0, 4.0, 6.0])
    right, wrong = (told_apart(sign * realised, realised, 3) for sign in (1.0, -1.0))
    assert right["correlation"] == pytest.approx(1.0) and wrong["correlation"] == pytest.approx(-1.0)
    # Of 3, 1, 2 and 5, 4, 6: the least are 1 and 4, the greatest 3 and 6.
    assert (right["mean"], right["chosen"], right["least"]) == (3.5, 2.5, 2.5) and wrong["chosen"] == 4.5


@pytest.mark.parametrize(("artefact", "planner"), [("d_mpc", "d_mpc"), ("go2", "diffusion_mpc")])
def test_what_is_mended_is_the_share_of_the_loss(artefact, planner):
    bag = FromBag.parse(f"foot 2 cm longer:5={model_folder(artefact)}", changes.CHANGES)
    assert changes.adapted_method(bag) == f"{planner}, 5 min of foot 2 cm longer"
    rows = [
        {"case": case, "method": method, "velocity_error": error, "survival": 1.0}
        for case, method, error in (
            ("flat", planner, 0.06), ("flat", changes.adapted_method(bag), 0.07),
            ("foot 2 cm longer", planner, 0.16), ("foot 2 cm longer", changes.adapted_method(bag), 0.1),
        )
    ]  # fmt: skip
    (line,) = changes.grid(rows, [bag]).rows
    # 0.06 of the 0.10 m/s that the foot costs.
    assert line == ("foot 2 cm longer", planner, "5", "100.0%", "100.0%", "0.160", "0.100", "0.060", "0.070", "60%")


def test_a_planner_is_changed_by_name_and_number():
    changed = with_changes(DMpcSettings(), ["candidates = 8", "noise_scale = 1.5"])
    assert (changed.candidates, changed.noise_scale, changed.rounds) == (8, 1.5, DMpcSettings().rounds)
    for wrong, message in (
        ("wings = 2", "'wings = 2' is no NAME = NUMBER of a setting; there is candidates"),
        ("candidates", "'' is no number of the kind that candidates takes"),
        ("candidates = many", "'many' is no number"),
        ("candidates = 0", "candidates"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            with_changes(DMpcSettings(), [wrong])
