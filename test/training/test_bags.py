"""Bags become a dataset that a prior learns from."""

from __future__ import annotations

import numpy as np
import pytest
from bag_files import ARTEFACT, BagFile, action_of, emergency_stop, walk

from diffusion_mpc_ros.core.errors import BagError, ConfigurationError
from diffusion_mpc_ros.core.trajectory import COMMAND
from diffusion_mpc_ros.training import bags
from diffusion_mpc_ros.training.bags import BagsConfig
from diffusion_mpc_ros.training.dataset import TrajectoryDataset, window_starts


@pytest.fixture
def files(tmp_path):
    """A walk of 40 ticks with 2 ticks missing after 25, and one of 20 ticks that the operator stops."""
    first = [each for each in walk(range(10, 50)) if getattr(each.message, "tick", 0) not in (35, 36)]
    return (
        BagFile(tmp_path).write(first, "first.mcap"),
        BagFile(tmp_path).write([*walk(range(10, 30)), *emergency_stop(30)], "second.mcap"),
    )


def test_bags_become_trajectories_of_their_own_length(files, tmp_path, capsys):
    bags.main(BagsConfig(files, output=tmp_path / "data", weight=2.0))
    # 58 ticks.
    assert "1.2 s in 3 trajectories, 1 of them ended by a fall or a stop" in capsys.readouterr().out
    dataset = TrajectoryDataset.open(tmp_path / "data")
    arrays = dataset.load(("observation", "action", "executed", "fresh", "mechanical_power", "failed"))
    assert [len(fresh) for fresh in arrays["fresh"]] == [25, 13, 20]
    np.testing.assert_allclose(arrays["action"][1], [action_of(tick) for tick in range(37, 50)], rtol=1e-6)
    np.testing.assert_array_equal(arrays["executed"][1], arrays["action"][1])
    # 0.5 m/s and 0.1 rad/s were asked for, velocity feedback added 0.25 and -0.125.
    np.testing.assert_allclose(arrays["observation"][0][:, COMMAND], np.tile([0.75, 0.0, -0.025], (25, 1)), rtol=1e-6)
    assert arrays["mechanical_power"][0] == pytest.approx(72.0)
    assert [np.flatnonzero(failed).tolist() for failed in arrays["failed"]] == [[], [], [19]]
    assert len(window_starts(arrays["fresh"], 12)) == 14 + 2 + 9
    assert dataset.weights().tolist() == [2.0, 2.0, 2.0]
    assert [source["artefacts"] for source in dataset.attributes["bags"]] == [[ARTEFACT], [ARTEFACT]]


def test_the_same_bags_are_not_added_twice(files, tmp_path):
    config = BagsConfig(files, output=tmp_path / "data")
    bags.main(config)
    with pytest.raises(ConfigurationError, match="holds these bags already"):
        bags.main(config)
    with pytest.raises(ConfigurationError, match="other settings"):
        bags.main(BagsConfig(files[:1], output=tmp_path / "data"))
    with pytest.raises(BagError, match="named twice"):
        bags.main(BagsConfig((files[0], files[0]), output=tmp_path / "twice"))


def test_a_bag_that_is_not_fit_is_named_and_nothing_written(files, tmp_path):
    short = BagFile(tmp_path).write(walk(range(10, 15)), "short.mcap")
    with pytest.raises(BagError, match=r"short.mcap: no stretch of 12 ticks is fit"):
        bags.main(BagsConfig((*files, short), output=tmp_path / "data"))
    assert not (tmp_path / "data").exists()


def test_a_dataset_knows_its_bags(files, tmp_path):
    bags.main(BagsConfig(files, output=tmp_path / "data"))
    dataset = TrajectoryDataset.open(tmp_path / "data")
    bags.check_made_of(dataset, files[::-1])
    with pytest.raises(ConfigurationError, match=r"was made of first\.mcap, second\.mcap, and not of .*first\.mcap:"):
        bags.check_made_of(dataset, files[:1])


@pytest.mark.parametrize("options", [{"bags": ()}, {"weight": 0.0}, {"weight": float("nan")}])
def test_settings_that_make_no_sense_are_refused(files, options):
    with pytest.raises(ConfigurationError):
        BagsConfig(**{"bags": files, **options})
