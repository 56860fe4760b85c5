"""Windows never join two lives; datasets resume and refuse foreign settings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.trajectory import OBSERVATION_DIM
from diffusion_mpc_ros.training.dataset import TrajectoryDataset, count_falls, window_starts


def part(value: float, episodes: int = 2, length: int = 5) -> dict[str, np.ndarray]:
    fresh = np.zeros((episodes, length), dtype=bool)
    fresh[:, 0] = True
    shape = (episodes, length)
    return {
        "observation": np.full((*shape, OBSERVATION_DIM), value),
        "action": np.full((*shape, NUM_JOINTS), value),
        "executed": np.full((*shape, NUM_JOINTS), value),
        "fresh": fresh,
    }


def test_window_starts_by_hand():
    fresh = np.zeros((1, 6), dtype=bool)
    fresh[0, 0] = fresh[0, 3] = True
    # Windows of three ticks: 0-2 and 3-5 are whole lives, 1-3 and 2-4 hold the reset at 3.
    np.testing.assert_array_equal(window_starts(fresh, 3), [[0, 0], [0, 3]])


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30)), st.integers(1, 12))
def test_windows_have_no_reset_inside_and_none_is_missed(fresh, rows):
    if fresh.shape[1] < rows:
        return
    found = {tuple(start) for start in window_starts(fresh, rows)}
    expected = {
        (episode, tick)
        for episode in range(fresh.shape[0])
        for tick in range(fresh.shape[1] - rows + 1)
        if not fresh[episode, tick + 1 : tick + rows].any()
    }
    assert found == expected


def test_parts_accumulate_and_survive_reopening(tmp_path):
    dataset = TrajectoryDataset(tmp_path / "data", {"seed": 1})
    dataset.append(part(1.0))
    TrajectoryDataset(tmp_path / "data", {"seed": 1}).append(part(2.0))
    reopened = TrajectoryDataset.open(tmp_path / "data")
    assert reopened.parts == 2 and reopened.attributes == {"seed": 1}
    np.testing.assert_array_equal(np.unique(reopened.load()["action"]), [1.0, 2.0])


def test_other_settings_are_refused_by_name(tmp_path):
    TrajectoryDataset(tmp_path / "data", {"seed": 1, "robots": 4})
    with pytest.raises(ConfigurationError, match="seed"):
        TrajectoryDataset(tmp_path / "data", {"seed": 2, "robots": 4})


def test_a_killed_part_does_not_count(tmp_path):
    dataset = TrajectoryDataset(tmp_path / "data", {"seed": 1})
    incomplete = part(1.0)
    del incomplete["fresh"]
    with pytest.raises(KeyError):
        dataset.append(incomplete)
    assert dataset.parts == 0
    dataset.append(part(1.0))
    assert dataset.parts == 1


def test_labels_and_facts_are_kept_beside_the_rows_and_read_when_named(tmp_path):
    dataset = TrajectoryDataset(tmp_path / "data", {"seed": 1})
    for value in (1.0, 2.0):
        dataset.append({**part(value), "base_height": np.full((2, 5), value), "friction": np.full(2, value)})
    assert set(dataset.load()) == {"observation", "action", "executed", "fresh"}
    loaded = dataset.load(("base_height", "friction"))
    assert loaded["base_height"].shape == (4, 5) and loaded["base_height"].dtype == np.float32
    np.testing.assert_array_equal(loaded["friction"], [1.0, 1.0, 2.0, 2.0])
    assert [p["friction"][0] for p in dataset.read_parts(("friction",))] == [1.0, 2.0]
    with pytest.raises(ConfigurationError, match=r"part_0000.npz holds no foot_height, only observation"):
        dataset.load(("fresh", "foot_height"))


def test_falls_by_hand():
    fresh = np.zeros((2, 8), dtype=bool)
    fresh[:, 0] = True  # the beginning is no fall
    fresh[0, 2:5] = fresh[1, 7] = True
    assert count_falls(fresh) == 2


def test_missing_dataset_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="train collect"):
        TrajectoryDataset.open(tmp_path / "nothing")


def trajectory(value: float, length: int) -> dict[str, np.ndarray]:
    return {name: array[0] for name, array in part(value, episodes=1, length=length).items()}


UNEQUAL = {"format": 2}


def test_trajectories_of_unequal_length_come_back_one_by_one_with_their_weights(tmp_path):
    dataset = TrajectoryDataset(tmp_path / "data", UNEQUAL)
    dataset.append_trajectories([trajectory(1.0, 3), trajectory(2.0, 7)], [1.0, 0.5])
    dataset.append_trajectories([trajectory(3.0, 3)], [2.0])
    reopened = TrajectoryDataset.open(tmp_path / "data")
    loaded = reopened.load()
    assert [array.shape for array in loaded["observation"]] == [(3, 45), (7, 45), (3, 45)]
    assert [array[0, 0] for array in loaded["action"]] == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(reopened.weights(), [1.0, 0.5, 2.0])


def test_windows_never_cross_the_end_of_a_trajectory():
    fresh = [np.array([True, False, False]), np.array([False]), np.array([True, False, True, False, False])]
    # Windows of three ticks: all of the first one; the last one's 2-4, its 0-2 and 1-3 hold the reset at 2.
    np.testing.assert_array_equal(window_starts(fresh, 3), [[0, 0], [2, 2]])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(2, 6))
def test_windows_of_unequal_trajectories_are_those_of_each_alone(lengths, rows):
    fresh = [np.arange(length) == 0 for length in lengths]
    expected = [(episode, tick) for episode, length in enumerate(lengths) for tick in range(length - rows + 1)]
    assert [tuple(window) for window in window_starts(fresh, rows)] == expected


def test_equal_trajectories_may_have_weights_and_count_alike_without(tmp_path):
    dataset = TrajectoryDataset(tmp_path / "data", {"seed": 1})
    dataset.append(part(1.0))
    dataset.append({**part(2.0), "weight": np.array([3.0, 0.25])})
    np.testing.assert_array_equal(dataset.weights(), [1.0, 1.0, 3.0, 0.25])
    assert isinstance(dataset.load()["action"], np.ndarray)


@pytest.mark.parametrize(
    ("trajectories", "weights", "reason"),
    [
        ([], [], "one length of at least 1"),
        ([{**trajectory(1.0, 3), "fresh": np.zeros(2, bool)}], [1.0], "one length of at least 1"),
        ([{name: array[:0] for name, array in trajectory(1.0, 3).items()}], [1.0], "one length of at least 1"),
        ([trajectory(1.0, 3)], [0.0], "finite and above 0"),
        ([trajectory(1.0, 3)], [1.0, 1.0], "1 trajectories need as many weights"),
        ([trajectory(1.0, 3)], [float("nan")], "finite and above 0"),
    ],
)
def test_what_is_no_trajectory_is_refused(tmp_path, trajectories, weights, reason):
    dataset = TrajectoryDataset(tmp_path / "data", UNEQUAL)
    with pytest.raises(ConfigurationError, match=reason):
        dataset.append_trajectories(trajectories, weights)
    assert dataset.parts == 0


def test_formats_are_not_mixed_and_a_newer_one_is_refused_in_words(tmp_path):
    with pytest.raises(ConfigurationError, match="need a dataset of format 2"):
        TrajectoryDataset(tmp_path / "equal", {}).append_trajectories([trajectory(1.0, 3)], [1.0])
    TrajectoryDataset(tmp_path / "old", {})
    (tmp_path / "old" / "dataset.json").write_text('{"format": 3}')
    with pytest.raises(ConfigurationError, match="has format 3, this version reads 1 and 2"):
        TrajectoryDataset.open(tmp_path / "old")
