"""`evaluate jump` and `evaluate crate`: rows, the common table, what is refused."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.experiments import crate, jump
from diffusion_mpc_ros.evaluation.task_table import TaskRow, put_rows
from diffusion_mpc_ros.simulation.model import ModelOptions, build_model

SMALL = {"samples": 4, "iterations": 1, "trials": 1}
FORM = {
    "task", "method", "samples", "iterations", "live", "score", "survival", "velocity_error", "interval", "trials",
    "seconds_per_second", "variant",
}  # fmt: skip


def test_a_robot_that_has_no_time_to_climb_has_not_climbed_and_goes_on_where_it_was_ended(tmp_path, capsys):
    config = crate.Config(**SMALL, heights=(0.125, 0.6), seconds=0.1, json=tmp_path / "crate.json",
                          table=tmp_path / "table.json")  # fmt: skip
    assert config.conduct() == 0
    rows = json.loads((tmp_path / "crate.json").read_text())["rows"]
    assert [(row["height"], row["seconds"], row["fallen"]) for row in rows] == [
        (0.125, None, False),
        (0.6, None, False),
    ]
    assert "0 of 1" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert set(row) == FORM and (row["task"], row["score"], row["trials"]) == ("crate", 0.0, 2)
    assert row["variant"] == "0.125 to 0.6 m"
    fewer = dataclasses.replace(config, heights=(0.6,))
    assert [(known.variant, known.trials) for known in fewer.table_rows(rows)] == [("0.6 to 0.6 m", 1)]
    assert row["interval"][0] == 0.0 and row["survival"] == 1.0
    assert config.measure()["rows"] == rows


def test_a_robot_that_hardly_searches_misses_the_plates(tmp_path):
    config = jump.Config(**SMALL, stages=1, as_published=True, torques=True, table=tmp_path / "table.json")
    (row,) = config.measure()["rows"]
    assert len(row["stages"]) == 1 and row["stages"][0] < 1.0 and row["seconds_per_second"] > 0.0
    (known,) = config.table_rows([row])
    assert known.variant == "as published, torques, stages: 1" and known.score == row["stages"][0]


@pytest.mark.parametrize(
    ("config", "geom"),
    [(jump.Config(**SMALL, stages=1), "disc_7"), (crate.Config(**SMALL, heights=(0.25,), seconds=0.3), "floor_1_0")],
)
def test_a_picture_shows_a_trial_in_its_scene(config, geom, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(config.__class__, "write_strip", lambda self, *arguments, **options: shown.append(arguments))
    config.draw(tmp_path / "picture.png")
    ((_, states, ground, *_),) = shown
    assert len(states) == 5 and all(state.shape == (1,) for state in states)
    assert np.all(np.diff([state.time[0] for state in states]) > 0.0)
    assert build_model(ModelOptions(ground=ground)).geom(geom) is not None


def test_a_robot_starts_to_jump_where_the_first_stage_is():
    _, done = jump.Config(**SMALL, stages=1)._jump("dial_mpc", 0)
    start = done.states[0].qpos[0]
    assert start[:2].tolist() == [0.0, 0.0] and rotations.yaw(start[3:7]) == pytest.approx(0.0)


def row(**values: object) -> TaskRow:
    usual = {"task": "jump", "method": "dial_mpc", "samples": 8, "iterations": 1, "live": False, "score": 0.5,
             "survival": 1.0, "velocity_error": None, "interval": [0.4, 0.6], "trials": 2,
             "seconds_per_second": 1.0}  # fmt: skip
    return TaskRow(**{**usual, **values})


def test_a_row_takes_the_place_of_its_like_and_of_no_other(tmp_path):
    path = tmp_path / "table.json"
    put_rows(path, [row(), row(method="cma_es"), row(variant="as published")])
    put_rows(path, [row(method="cma_es", score=0.7), row(samples=16)])
    rows = json.loads(path.read_text())["rows"]
    assert [(each["method"], each["samples"], each["score"], each["variant"]) for each in rows] == [
        ("dial_mpc", 8, 0.5, ""),
        ("cma_es", 8, 0.7, ""),
        ("dial_mpc", 8, 0.5, "as published"),
        ("dial_mpc", 16, 0.5, ""),
    ]


def test_a_file_of_anything_else_is_kept(tmp_path):
    path = tmp_path / "table.json"
    path.write_text('{"command": "evaluate walk"}')
    with pytest.raises(ConfigurationError, match="no table with rows"):
        put_rows(path, [row()])


@pytest.mark.parametrize(
    ("config", "wrong", "message"),
    [
        (jump.Config, {"methods": ("sqp",)}, "unknown method 'sqp'; there is dial_mpc"),
        (jump.Config, {"stages": 0}, "stages must be at least 1"),
        (crate.Config, {"trials": 0}, "trials must be at least 1"),
        (crate.Config, {"heights": (0.9,)}, "difficulty 0.9 of ground 'crate' is out of range"),
    ],
)
def test_what_cannot_be_tried_is_refused(config, wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        config(**wrong)
