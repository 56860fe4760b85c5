"""The shipped artefact walks in a short, small evaluation, and the report has the form that others read."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.experiments import adaptation, caching, energy, execution
from diffusion_mpc_ros.evaluation.experiments.walk import Config


@pytest.fixture(scope="module")
def artefact(tmp_path_factory):
    return shutil.copytree(model_folder("go2"), tmp_path_factory.mktemp("models") / "go2")


@pytest.fixture(scope="module")
def report(tmp_path_factory, artefact):
    path = tmp_path_factory.mktemp("walk") / "results" / "walk.json"
    config = Config(
        artefact=str(artefact), record=True,
        commands=((0.5, 0.0, 0.0), (0.0, 0.0, 0.8)), robots=4, ticks=200, delays=(3, 3), replans=(2, 0), threads=1,
        json=path,
    )  # fmt: skip
    assert config.conduct() == 0
    return json.loads(path.read_text())


def test_the_report_names_the_artefact_and_every_loop(report):
    assert report["artefact"] == load(model_folder("go2")).identity
    loops = [(row["controller"], row["delay"], row["replan"], tuple(row["command"])) for row in report["rows"]]
    commands = [(0.5, 0.0, 0.0), (0.0, 0.0, 0.8)]
    expected = [("demonstrator", None, None), ("diffusion_mpc", 3, 2), ("diffusion_mpc", 3, 8)]
    assert loops == [(*loop, command) for loop in expected for command in commands]


def test_every_robot_walks_and_tracks(report):
    for row in report["rows"]:
        assert row["survival"] == 1.0, row
        assert row["velocity_error"] < 0.12, row
        assert 0.25 < row["base_height"] < 0.34, row
        assert row["power"] > 10.0 and np.isfinite(row["torque_rms"]), row


def test_other_ground_is_another_walk(report, artefact, tmp_path):
    config = Config(artefact=str(artefact), robots=1, ticks=110, commands=((0.5, 0.0, 0.0),), delays=(3,), replans=(2,),
                    threads=1, ground="cobbles:0.06", json=tmp_path / "walk.json")  # fmt: skip
    rows = config.measure()["rows"]
    flat = replace(config, ground="flat", json=None).measure()["rows"]
    assert [row["velocity_error"] for row in rows] != [row["velocity_error"] for row in flat]
    with pytest.raises(ConfigurationError, match="config.ground 'cobbles:0.06' there, 'flat' now"):
        replace(config, ground="flat").measure()


def test_the_card_keeps_the_scores_and_the_artefact_its_identity(report, artefact):
    loaded = load(artefact)
    assert loaded.card["scores"]["walk"]["rows"] == report["rows"]
    assert loaded.identity == report["artefact"]


def test_a_loop_that_is_there_does_not_walk_again(report, artefact, tmp_path, monkeypatch):
    path = tmp_path / "walk.json"
    without_last = [row for row in report["rows"] if row["replan"] != 8]
    path.write_text(json.dumps({**report, "rows": without_last}))
    walked, walk_loop = [], Config.walk_loop
    monkeypatch.setattr(Config, "walk_loop", lambda self, *loop: walked.append(loop) or walk_loop(self, *loop))
    options = "--robots 4 --ticks 200 --delays 3 3 --replans 2 0 --threads 1 --commands 0.5 0 0 0 0 0.8".split()
    assert cli.main(["evaluate", "walk", "--artefact", str(artefact), *options, "--json", str(path)]) == 0
    assert walked == [(3, 8)]
    assert json.loads(path.read_text()) == report
    # Other commands would be other robots.
    assert cli.main(["evaluate", "walk", "--artefact", str(artefact), *options[:-3], "--json", str(path)]) == 2


TROT = {"planner": "new_planner:make", "robots": 1, "threads": 1}


@pytest.fixture
def trot(monkeypatch):
    """The planner of examples/, which has no model, no candidates and no rewards."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "examples")


def test_any_planner_walks_and_is_named(trot):
    report = Config(**TROT, ticks=101, commands=((0.3, 0.0, 0.0),), delays=(1,), replans=(1,),
                    with_demonstrator=False).measure()  # fmt: skip
    assert report["artefact"] == "" and report["config"]["planner"] == "new_planner:make"
    assert [(row["controller"], row["survival"]) for row in report["rows"]] == [("trot", 1.0)]


@pytest.mark.parametrize(
    ("experiment", "reason"),
    [
        (
            lambda: energy.Config(**TROT),
            r"by candidates: 'new_planner:make' has no setting candidates; it has frequency",
        ),
        (
            lambda: adaptation.Config(**TROT),
            "by candidates, guidance_scale: 'new_planner:make' has no setting candidates",
        ),
        (lambda: caching.Config(**TROT), "needs the denoising of the planner 'diffusion_mpc', which"),
        (lambda: execution.Config(planner="new_planner:make", rows=("A", "D0R1")), "the rows A are of the denoising"),
        (lambda: Config(planner="nobody"), "unknown planner 'nobody'; there is diffusion_mpc"),
    ],
)
def test_what_a_planner_lacks_is_refused_in_words(trot, experiment, reason):
    with pytest.raises(ConfigurationError, match=reason):
        experiment().measure()
