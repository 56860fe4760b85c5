"""Models as functions of physical arrays, and what their card says."""

import json

import numpy as np
import pytest
from d_mpc_models import ROWS, description, models

from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.transition import BASE_HEIGHT, BASE_LIN_VEL, JOINT_POS
from diffusion_mpc_ros.planners.d_mpc.description import (
    COST_TO_GO,
    Description,
    dynamics_sizes,
    proposal_sizes,
    value_sizes,
)
from diffusion_mpc_ros.planners.d_mpc.models import Dynamics

RNG = np.random.default_rng(1)
STATE, PREVIOUS, COMMAND = RNG.normal(size=(4, 34)), np.tile(DEFAULT_JOINT_POS, (4, 1)), np.zeros((4, 3))


def test_proposals_are_given_in_rad_and_committed_actions_come_back():
    noise, committed = (
        RNG.uniform(-1, 1, size=(4, ROWS, 12)),
        DEFAULT_JOINT_POS + RNG.uniform(-0.5, 0.5, size=(4, 2, 12)),
    )
    found = models().proposals(noise, STATE, PREVIOUS, COMMAND, committed)
    np.testing.assert_allclose(found[:, :2], committed, atol=1e-9)
    np.testing.assert_allclose(found[:, 2:], DEFAULT_JOINT_POS + 0.1 * noise[:, 2:], atol=1e-9)


def test_the_network_sees_what_it_was_trained_with():
    seen = {}

    def network(noisy, level, condition):
        seen.update(noisy=noisy.copy(), condition=condition.copy())
        return noisy

    committed = np.tile(DEFAULT_JOINT_POS + 0.2, (4, 1, 1))
    models(proposals=network).proposals(np.zeros((4, ROWS, 12)), STATE, PREVIOUS, COMMAND, committed)
    sizes = proposal_sizes(ROWS)
    assert seen["noisy"].shape == (4, sizes["noisy"]) and seen["condition"].shape == (4, sizes["condition"])
    np.testing.assert_allclose(seen["noisy"][:, :12], 2.0)  # 0.2 rad in units of 0.1
    np.testing.assert_allclose(seen["condition"][:, -ROWS:], [[1.0] + [0.0] * (ROWS - 1)] * 4)
    np.testing.assert_allclose(seen["condition"][:, :34], STATE)


def test_dynamics_add_changes_to_the_state():
    actions = np.tile(DEFAULT_JOINT_POS, (4, ROWS, 1))
    actions[..., 0] += 0.05
    states = models().dynamics(np.zeros((4, ROWS, 34)), STATE, PREVIOUS, actions)
    np.testing.assert_allclose(states[..., BASE_LIN_VEL.start], 0.5)
    np.testing.assert_allclose(states[..., BASE_HEIGHT], 0.3)
    np.testing.assert_allclose(states[..., JOINT_POS], actions)


def test_one_step_says_the_mean_and_more_steps_read_noise():
    seen = []

    def network(noisy, level, condition):
        seen.append(float(np.abs(noisy).max()))
        return np.zeros_like(noisy)

    for steps in (1, 2):
        dynamics = Dynamics(description(), network, steps)
        assert dynamics.samples is (steps > 1)
        dynamics(np.ones((4, ROWS, 34)), STATE, PREVIOUS, np.tile(DEFAULT_JOINT_POS, (4, ROWS, 1)))
    assert seen[0] == 0.0 and seen[1] == 1.0


def test_values_come_by_name():
    width = value_sizes(ROWS)["features"]

    def network(features):
        assert features.shape == (4, width)
        return np.tile(np.arange(12.0), (4, 1))

    found = models(values=network).values(STATE, COMMAND, np.zeros((4, ROWS, 12)), np.zeros((4, ROWS, 34)))
    assert list(found)[-1] == COST_TO_GO
    assert found["base_height"][0] == 0.0 and found[COST_TO_GO][0] == len(found) - 1.0


def test_a_description_survives_the_card():
    before = description(scale=RNG.uniform(0.1, 2.0, size=(ROWS, 34)))
    after = Description.from_json(json.loads(json.dumps(before.to_json())), "dynamics")
    np.testing.assert_array_equal(after.scale, before.scale)
    assert after.to_json() == before.to_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, "rows are 1 .. 256, got 0"),
        ({"control_dt": 0.01}, "its 'control_dt' is 0.01, this controller needs 0.02"),
        ({"joint_order": ["FL_hip"]}, "its 'joint_order' is"),
        ({"scale": [[1.0] * 34]}, r"its scale must be finite numbers \(12, 34\)"),
        ({"normalizer": {"mean": [0.0], "std": [1.0], "clamp": 6.0}}, "normaliser mean must be 49 finite numbers"),
        ({"schedule": {"steps": 0}}, "not readable: .*steps >= 1"),
        ({"replan_margin": None}, "the card's part of the dynamics is not readable"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(change, message):
    part = {**description().to_json(), **change}
    with pytest.raises(ArtefactError, match=message):
        Description.from_json(part, "dynamics")
    with pytest.raises(ArtefactError, match="not readable"):
        Description.from_json(None, "dynamics")


def test_sizes_count_every_input():
    assert proposal_sizes(16) == {"noisy": 192, "level": 2, "condition": 34 + 12 + 3 + 16}
    assert dynamics_sizes(16) == {"noisy": 544, "level": 2, "condition": 34 + 12 + 192}
    assert value_sizes(16) == {"features": 34 + 3 + 16 * (34 + 12)}
