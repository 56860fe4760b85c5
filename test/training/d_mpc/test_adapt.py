"""Adapting the dynamics alone: how much of each batch is old data, and what is not published."""

from dataclasses import replace

import numpy as np
import pytest
from bag_files import BagFile, walk

from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.training import bags
from diffusion_mpc_ros.training.bags import BagsConfig
from diffusion_mpc_ros.training.d_mpc.adapt import AdaptConfig, check_better, main, of_the_robot, weighted

ROWS = 4


def arrays(episodes, length):
    fresh = np.zeros((episodes, length), dtype=bool)
    fresh[:, 0] = True
    return {"fresh": fresh, "observation": np.zeros((episodes, length, 45)), "weight": np.ones(episodes)}


def test_the_share_of_old_data_is_that_of_the_windows():
    # 2 x 16 new windows and 10 x 96 old ones.
    both = weighted(arrays(2, 20), arrays(10, 100), 0.3, ROWS)
    drawn = np.array([16.0] * 2 + [96.0] * 10) * both["weight"]
    assert drawn[2:].sum() / drawn.sum() == pytest.approx(0.3)
    assert weighted(arrays(2, 20), None, 0.0, ROWS)["weight"].tolist() == [1.0, 1.0]
    with pytest.raises(ConfigurationError, match="no trajectory has 5 ticks to learn from"):
        weighted(arrays(2, 4), arrays(1, 20), 0.3, ROWS)


def test_what_predicts_no_better_or_forgets_is_refused():
    better, same = {"before": 0.5, "after": 0.4}, {"before": 0.5, "after": 0.5}
    check_better({"new": better, "old": {"before": 0.3, "after": 0.33}}, 0.11)
    check_better({"new": better}, 0.1)
    with pytest.raises(ArtefactError, match="no better .error 0.5000, before 0.5000.: nothing is published"):
        check_better({"new": same, "old": better}, 0.1)
    with pytest.raises(ArtefactError, match="the old data worse by more than 10%"):
        check_better({"new": better, "old": {"before": 0.3, "after": 0.34}}, 0.1)
    with pytest.raises(ArtefactError, match="nothing is published"):
        check_better({"new": {"before": 0.5, "after": float("nan")}}, 0.1)


def test_settings_that_make_no_sense_are_refused(tmp_path):
    data = (tmp_path,)
    with pytest.raises(ConfigurationError, match="either bags or datasets"):
        main(AdaptConfig())
    with pytest.raises(ConfigurationError, match="either bags or datasets"):
        main(AdaptConfig(bags=data, datasets=data))
    with pytest.raises(ConfigurationError, match="replay_share must be a share"):
        AdaptConfig(datasets=data, replay_share=1.0)
    with pytest.raises(ConfigurationError, match="replay names no dataset"):
        AdaptConfig(datasets=data, replay=())
    with pytest.raises(ConfigurationError, match=r"minutes 0.0 is not a positive time"):
        AdaptConfig(datasets=data, minutes=0.0)


def test_what_another_robot_did_is_not_learned_from_again(tmp_path):
    first = BagFile(tmp_path).write(walk(range(10, 60)), "first.mcap")
    second = BagFile(tmp_path).write(walk(range(10, 70)), "second.mcap")
    run_dir = tmp_path / "run"
    bags.main(BagsConfig((first,), run_dir / "data"))
    with pytest.raises(ConfigurationError, match=r"was made of first\.mcap, and not of .*second\.mcap: name another"):
        main(AdaptConfig(bags=(second,), run_dir=run_dir))
    # Those of the first go on, to what is missing next: one stretch cannot be learnt from and judged by.
    with pytest.raises(ConfigurationError, match="1 trajectories are too few"):
        main(AdaptConfig(bags=(first,), run_dir=run_dir))


def test_the_first_minutes_are_learnt_from(tmp_path):
    bag = BagFile(tmp_path).write(walk(range(10, 700)), "long.mcap")
    bags.main(BagsConfig((bag,), tmp_path / "data"))
    config = AdaptConfig(datasets=(tmp_path / "data",), minutes=0.1)
    # 0.1 min are 300 ticks: a stretch of 250 and one of 50.
    assert [len(each) for each in of_the_robot(config)["fresh"]] == [250, 50]
    assert len(of_the_robot(replace(config, minutes=None))["fresh"]) == 3
