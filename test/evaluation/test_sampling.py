"""`evaluate sampling`: methods of dial_mpc side by side; what a row says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.commanded import CommandedExperiment
from diffusion_mpc_ros.evaluation.experiments import sampling
from diffusion_mpc_ros.evaluation.experiments.sampling import Config, error_interval
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, WalkScores


def test_every_method_walks_at_every_budget_and_robots_the_same_walk_again(tmp_path, capsys):
    options = {
        "methods": ("dial_mpc", "mppi_explore"),
        "budgets": ((8, 2),),
        "commands": ((0.5, 0.0, 0.0),),
        "ticks": 6,
    }
    config = Config(**options, json=tmp_path / "sampling.json")
    assert config.conduct() == 0
    rows = config.measure()["rows"]
    assert [(row["method"], row["samples"], row["iterations"]) for row in rows] == [
        ("dial_mpc", 8, 2),
        ("mppi_explore", 8, 2),
    ]
    assert all(row["survival"] == 1.0 and row["seconds_per_second"] > 0.0 for row in rows)
    assert rows[0]["velocity_error"] != rows[1]["velocity_error"]
    again = Config(**options).measure()["rows"]
    timeless = [{name: value for name, value in row.items() if name != "seconds_per_second"} for row in rows]
    assert timeless == [{name: row[name] for name in timeless[0]} for row in again]
    assert "mppi_explore" in capsys.readouterr().out


def walked(planar_error: np.ndarray) -> WalkScores:
    rest = np.where(np.isfinite(planar_error), 1.0, np.nan)
    return WalkScores(planar_error, rest, rest, rest, rest, rest, np.repeat(rest[..., None], 3, axis=2))


def test_a_row_of_the_common_table_is_what_two_robots_did(tmp_path, monkeypatch):
    # One goes on for four ticks that count, off by 0.1 m/s; one falls after two, off by 0.4 m/s.
    errors = np.full((SETTLING_TICKS + 4, 2), 9.0)
    errors[SETTLING_TICKS:] = [[0.1, 0.4], [0.1, 0.4], [0.1, np.nan], [0.1, np.nan]]
    monkeypatch.setattr(CommandedExperiment, "walk", lambda *_, **__: walked(errors))
    config = Config(methods=("mppi_explore",), budgets=((8, 2),), commands=((0.5, 0.0, 0.0),), robots=2,
                    table=tmp_path / "table.json", plot=tmp_path / "plot.png")  # fmt: skip
    assert config.conduct() == 0
    (row,) = json.loads(config.table.read_text())["rows"]
    assert {name: row[name] for name in ("task", "method", "samples", "iterations", "live", "trials", "variant")} == {
        "task": "walk", "method": "mppi_explore", "samples": 8, "iterations": 2, "live": False, "trials": 2,
        "variant": "commands: +0.5 +0.0 +0.0",
    }  # fmt: skip
    assert row["survival"] == 0.5
    assert row["velocity_error"] == pytest.approx((4 * 0.1 + 2 * 0.4) / 6)
    assert row["score"] == pytest.approx((4 * np.exp(-0.04) + 2 * np.exp(-0.64)) / 6)
    # Of four draws one is the good robot twice, and one the other.
    assert row["interval"] == pytest.approx([0.1, 0.4])
    assert config.plot.stat().st_size > 0


def test_the_interval_weighs_robots_by_their_ticks_and_leaves_out_who_never_got_up_to_speed():
    errors = np.full((SETTLING_TICKS + 2, 3), 0.2)
    errors[:, 2] = np.nan
    assert error_interval(errors) == pytest.approx([0.2, 0.2])
    assert error_interval(errors[:, 2:]) is None


@pytest.mark.parametrize(
    ("task", "carried", "told"), [("walk", 0.0, 0.0), ("walk_payload", 10.0, 10.0), ("walk_mismatch", 2.0, 0.0)]
)
def test_the_robot_carries_a_payload_that_the_planner_is_told_of_or_not(task, carried, told, monkeypatch):
    seen = {}

    def walk(self, controller, label, declared):
        seen["carried"] = declared.payload_mass
        return walked(np.full((SETTLING_TICKS + 1, 1), 0.1))

    def best_level(name, settings, timing):
        seen["told"] = settings.declared.payload_mass

    monkeypatch.setattr(CommandedExperiment, "walk", walk)
    monkeypatch.setattr(sampling, "best_level", best_level)
    monkeypatch.setattr(sampling, "AsynchronousController", lambda *_, **__: None)
    config = Config(tasks=(task,), methods=("dial_mpc",), budgets=((8, 2),))
    assert config.run(*config.cells())["task"] == task
    assert seen == {"carried": carried, "told": told}


@pytest.mark.parametrize(
    ("options", "variant"),
    [({}, ""), ({"delay": 1}, "a plan 1 ticks late"),
     ({"delay": 2, "commands": ((0.5, 0.0, 0.0),)}, "commands: +0.5 +0.0 +0.0, a plan 2 ticks late")],
)  # fmt: skip
def test_a_row_says_what_is_not_as_usual(options, variant):
    assert replace(Config(), **options).variant == variant


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"methods": ("sqp",)}, "unknown method 'sqp'; there is dial_mpc"),
        ({"tasks": ("swim",)}, "unknown task 'swim'; there is walk, walk_payload"),
        ({"ticks": 0}, "ticks"),
    ],
)
def test_what_cannot_be_walked_is_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        Config(**wrong)
