"""Windows of transitions: what stands where, which are left out, which are drawn."""

import numpy as np
import pytest
import torch

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import COMMAND, JOINT_POS, PREVIOUS_ACTION
from diffusion_mpc_ros.core.transition import BASE_HEIGHT, BASE_LIN_VEL
from diffusion_mpc_ros.core.transition import JOINT_POS as STATE_JOINT_POS
from diffusion_mpc_ros.diffusion.normalizer import TransitionNormalizer
from diffusion_mpc_ros.training.d_mpc.transitions import TransitionWindows, blur, settled_windows, split, stretches

NORMALIZER = TransitionNormalizer(np.zeros(49), np.ones(49), clamp=1e6)


def arrays(episodes=3, length=20):
    """Every number tells its trajectory and tick: 100 e + t, actions half a unit more, executed ones a quarter."""
    number = 100.0 * np.arange(episodes)[:, None] + np.arange(length)
    observation = np.zeros((episodes, length, 45))
    observation[..., JOINT_POS] = number[..., None]
    observation[..., PREVIOUS_ACTION] = number[..., None] - 0.75
    observation[..., COMMAND] = [0.5, 0.0, 0.0]
    fresh = np.zeros((episodes, length), dtype=bool)
    fresh[:, 0] = True
    return {
        "observation": observation,
        "action": np.repeat(number[..., None] + 0.5, 12, axis=-1),
        "executed": np.repeat(number[..., None] + 0.25, 12, axis=-1),
        "fresh": fresh,
        "base_lin_vel": np.repeat(number[..., None], 3, axis=-1),
        "base_height": number,
        "weight": np.ones(episodes),
    }


def test_a_window_holds_what_leads_to_what():
    windows = TransitionWindows(arrays(), 4, NORMALIZER)
    # Ticks 0 to 15 of three trajectories begin a window of 4 ticks and the state after.
    assert len(windows) == 3 * 16
    window = windows.at(torch.tensor([[1, 3]]))
    assert window.state[0, STATE_JOINT_POS].unique().tolist() == [103.0]
    assert window.previous.unique().tolist() == [102.25]
    np.testing.assert_array_equal(window.executed[0, :, 0], [103.25, 104.25, 105.25, 106.25])
    np.testing.assert_array_equal(window.clean[0, :, 0], [103.5, 104.5, 105.5, 106.5])
    for field in (STATE_JOINT_POS, BASE_LIN_VEL, BASE_HEIGHT):
        np.testing.assert_array_equal(window.states[0, :, field][:, 0], [104.0, 105.0, 106.0, 107.0])
    assert window.command.tolist() == [[0.5, 0.0, 0.0]]


def test_no_window_holds_a_reset():
    data = arrays(episodes=1)
    data["fresh"][0, 8:10] = True
    windows = TransitionWindows(data, 4, NORMALIZER)
    starts = {int(tick) for tick in windows.choose(500, torch.Generator().manual_seed(0))[:, 1]}
    assert starts == {0, 1, 2, 3, *range(9, 16)}


def test_settled_windows_have_one_command_and_little_noise():
    data = arrays(episodes=1)
    data["executed"] = data["action"].copy()
    data["executed"][0, 5] += 0.2
    data["observation"][0, 12:, COMMAND] = 0.0
    (usable,) = settled_windows(data, 4, noise=0.05)
    # Noise of 0.2 rad in one of four ticks is 0.1 rad root mean square; the command changes from tick 11 to 12.
    assert not usable[2:6].any() and not usable[9:12].any()
    assert usable[[0, 1, 6, 7, 8, 12, 16]].all()
    (loud,) = settled_windows(data, 4, noise=0.11)
    assert loud[2:6].all()


def test_heavy_trajectories_are_drawn_more_often():
    data = arrays(episodes=2)
    data["weight"] = np.array([1.0, 9.0])
    chosen = TransitionWindows(data, 4, NORMALIZER).choose(4000, torch.Generator().manual_seed(0))
    assert float((chosen[:, 0] == 1).float().mean()) == pytest.approx(0.9, abs=0.02)


def test_trajectories_of_unequal_length_are_windows_too():
    data = {name: values if name == "weight" else list(values) for name, values in arrays(episodes=2).items()}
    for name, values in data.items():
        if name != "weight":
            values[1] = values[1][:10]
    windows = TransitionWindows(data, 4, NORMALIZER)
    assert len(windows) == 16 + 6
    assert windows.at(torch.tensor([[1, 5]])).states[0, -1, BASE_HEIGHT].item() == 109.0


def test_held_out_trajectories_are_no_others():
    training, held_out = split(arrays(episodes=10), 0.2, seed=3)
    of = lambda part: set((part["base_height"][:, 0] // 100).astype(int))  # noqa: E731
    assert len(of(held_out)) == 2 and of(training) | of(held_out) == set(range(10))
    with pytest.raises(ConfigurationError, match="1 trajectories are too few to hold out a share of 0.2"):
        split(arrays(episodes=1), 0.2, seed=3)


def test_nothing_to_learn_from_is_said():
    with pytest.raises(ConfigurationError, match="no trajectory has 31 ticks"):
        TransitionWindows(arrays(), 30, NORMALIZER)
    with pytest.raises(ConfigurationError, match="no trajectory has 5 ticks"):
        TransitionWindows(arrays(), 4, NORMALIZER, usable=[np.zeros(20, dtype=bool)] * 3)


def test_an_estimator_errs_in_velocity_and_height_alone():
    std = np.full(49, 0.5)
    blurred = blur(torch.zeros(20000, 34), std, 0.05, 0.01, torch.Generator().manual_seed(0)).std(dim=0)
    # In standard deviations of 0.5: 0.1 and 0.02.
    np.testing.assert_allclose(blurred[BASE_LIN_VEL], 0.1, rtol=0.03)
    np.testing.assert_allclose(blurred[BASE_HEIGHT], 0.02, rtol=0.03)
    assert not blurred[4:].any()


def test_long_walks_are_cut_and_the_first_ticks_taken():
    cut = stretches(arrays(episodes=2), 8)
    assert [len(each) for each in cut["fresh"]] == [8, 8, 4, 8, 8, 4] and cut["weight"].shape == (6,)
    np.testing.assert_array_equal(cut["base_height"][4], 108.0 + np.arange(8))
    first = stretches({**arrays(episodes=2), "weight": np.array([1.0, 2.0])}, 8, most=23)
    assert [len(each) for each in first["action"]] == [8, 8, 4, 3] and first["weight"].tolist() == [1.0, 1.0, 1.0, 2.0]
    # A stretch that begins within a walk begins no new life: its windows are those of the walk.
    assert len(TransitionWindows(cut, 4, NORMALIZER)) == 2 * (4 + 4 + 0)
    assert sum(map(len, split(cut, 0.5, seed=0)[0]["fresh"])) + sum(map(len, split(cut, 0.5, seed=0)[1]["fresh"])) == 40
