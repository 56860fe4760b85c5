"""The shipped artefact walks in a short, small evaluation, and the report has the form that others read."""

import json
import shutil

import numpy as np
import pytest

from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation import walk
from diffusion_mpc_ros.evaluation.walk import WalkConfig


@pytest.fixture(scope="module")
def artefact(tmp_path_factory):
    return shutil.copytree(model_folder("go2"), tmp_path_factory.mktemp("models") / "go2")


@pytest.fixture(scope="module")
def report(tmp_path_factory, artefact):
    path = tmp_path_factory.mktemp("walk") / "results" / "walk.json"
    config = WalkConfig(
        artefact=str(artefact), record=True,
        commands=((0.5, 0.0, 0.0), (0.0, 0.0, 0.8)), robots=4, ticks=200, delays=(3, 3), replans=(2, 0), threads=1,
        json=path,
    )  # fmt: skip
    walk.main(config)
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


def test_the_card_keeps_the_scores_and_the_artefact_its_identity(report, artefact):
    loaded = load(artefact)
    assert loaded.card["scores"]["walk"]["rows"] == report["rows"]
    assert loaded.identity == report["artefact"]
