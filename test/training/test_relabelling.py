"""Commands that say what was walked, on robots whose bias is known."""

import numpy as np
import pytest

from diffusion_mpc_ros.core.trajectory import BASE_ANG_VEL, COMMAND
from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS
from diffusion_mpc_ros.training.dataset import TrajectoryDataset
from diffusion_mpc_ros.training.relabelling import LABELS, labels_of, relabel_commands

ROBOTS, TICKS = 120, 600


@pytest.fixture
def arrays():
    """Robots that walk 25 % too fast, less with a payload and higher steps, and drift to the left.

    Action noise and folding legs slow some of them down; the measured velocity is noisy. With what they would have
    walked undisturbed.
    """
    rng = np.random.default_rng(0)
    command = np.repeat(rng.uniform(-1.0, 1.0, size=(ROBOTS, TICKS // 150, 3)), 150, axis=1)
    command[:5] = 0.0
    payload, gait = rng.uniform(0.0, 3.0, ROBOTS), rng.uniform(0.0, 1.0, size=(ROBOTS, len(GAIT_PARAMETERS)))
    factor = 1.25 - 0.1 * payload - 0.05 * gait[:, 3]
    slowed, folding = rng.uniform(size=ROBOTS), rng.uniform(size=ROBOTS) < 0.4
    undisturbed = command * factor[:, None, None] + [0.0, 0.03, 0.0]
    walked = undisturbed - command * (0.2 * slowed + 0.15 * folding)[:, None, None]
    observation = rng.normal(size=(ROBOTS, TICKS, 45))
    observation[..., COMMAND] = command
    observation[..., BASE_ANG_VEL][..., 2] = walked[..., 2]
    noise = rng.normal(scale=0.3, size=(ROBOTS, TICKS, 3))
    fresh = np.zeros((ROBOTS, TICKS), dtype=bool)
    fresh[:, 0] = fresh[7, 200:260] = True
    facts = {
        "payload_position": np.zeros((ROBOTS, 3)), "friction": np.full(ROBOTS, 0.8), "latency": np.zeros(ROBOTS),
        "motor_strength": np.ones((ROBOTS, 12)), "noise": slowed, "folding": folding,
    }  # fmt: skip
    return {
        "observation": observation, "fresh": fresh, "base_lin_vel": walked + noise, "gait": gait,
        "payload_mass": payload, **facts,
    }, undisturbed  # fmt: skip


def test_the_bias_is_found_and_the_noise_is_not(arrays):
    arrays, undisturbed = arrays
    before = arrays["observation"].copy()
    relabelled = relabel_commands(arrays)
    error = relabelled[..., COMMAND] - undisturbed
    moving = slice(5, None)
    assert np.abs(before[moving, :, COMMAND] - undisturbed[moving]).mean() > 0.05
    # Means of 50 ticks of noise of 0.3: what is left is far below the noise, and below the bias.
    assert np.abs(error[moving]).mean() < 0.012
    np.testing.assert_array_equal(arrays["observation"], before)
    others = np.delete(np.arange(45), np.arange(45)[COMMAND])
    np.testing.assert_array_equal(relabelled[..., others], before[..., others])


def test_who_is_told_to_stand_is_told_to_stand(arrays):
    assert (relabel_commands(arrays[0])[:5, :, COMMAND] == 0.0).all()


def test_policies_that_take_turns_have_a_bias_each(arrays):
    arrays, undisturbed = arrays
    which = np.repeat(np.random.default_rng(1).integers(3, size=(ROBOTS, TICKS // 150)), 150, axis=1)
    speed = np.array([1.0, 0.8, 1.1])[which][..., None]
    moving = slice(5, None)
    walked = {**arrays, "base_lin_vel": arrays["base_lin_vel"] * speed}
    walked["observation"] = arrays["observation"].copy()
    walked["observation"][..., BASE_ANG_VEL][..., 2:] *= speed
    blind, told = (
        relabel_commands(each)[moving, :, COMMAND] for each in (walked, {**walked, "policy": which.astype(np.float32)})
    )
    wanted = (undisturbed * speed)[moving]
    assert np.abs(told - wanted).mean() < 0.02 < np.abs(blind - wanted).mean()


def test_a_dataset_of_several_policies_says_which_one_walks(tmp_path):
    alone = TrajectoryDataset(tmp_path / "alone", {"alternatives": []})
    several = TrajectoryDataset(tmp_path / "several", {"alternatives": ["models/specialist_energy"]})
    assert labels_of(alone) == LABELS
    assert labels_of(several) == (*LABELS, "policy")
