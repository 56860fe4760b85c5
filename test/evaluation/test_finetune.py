"""Conditions x methods: the rows that docs/results/finetune.json holds, resumed, and refused in words."""

import json
from dataclasses import replace

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.experiments.finetune import Config, Methods
from diffusion_mpc_ros.policies.closed_loop import COMMANDS


@pytest.fixture
def config(tmp_path):
    return Config(
        conditions=("flat", "payload 8 kg"), robots=1, ticks=12, methods=Methods(finetuned="go2"),
        json=tmp_path / "finetune.json",
    )  # fmt: skip


def test_rows_say_table_condition_method_and_what_was_measured(config):
    report = config.measure()
    assert report == json.loads(config.json.read_text())
    assert report["artefact"] == load(model_folder("go2")).identity
    rows = report["rows"]
    assert [row["method"] for row in rows] == ["untuned"] * (len(COMMANDS) + 1) + ["finetuned"] * (len(COMMANDS) + 1)
    assert [tuple(row["command"]) for row in rows[: len(COMMANDS) + 1]] == [*COMMANDS, (0.5, 0.0, 0.0)]
    keys = {"table", "condition", "method", "minutes", "command", "survival", "velocity_error", "robots", "seed"}
    assert all(keys <= row.keys() and row["table"] == "ground" and row["seed"] == config.seed for row in rows)
    # The same artefact on the same robots walks the same.
    half = len(rows) // 2
    assert [{**row, "method": ""} for row in rows[:half]] == [{**row, "method": ""} for row in rows[half:]]
    (grid,) = config.grids(report)
    assert len(grid.rows) == len(rows)
    page = config.json.with_suffix(".md")
    replace(config, markdown=page).publish(report)
    assert "1 robots x 12 ticks" in page.read_text() and "payload 8 kg" in page.read_text()


def test_a_report_is_continued_with_what_is_missing(config, monkeypatch):
    # Untuned alone at first: its rows are there when there is something to compare it with.
    replace(config, conditions=("flat",), methods=Methods()).measure()
    run = []
    walk = Config.walk
    monkeypatch.setattr(Config, "walk", lambda self, cell: (run.append(cell.condition), walk(self, cell))[1])
    config.measure()
    assert run == ["payload 8 kg", "flat", "payload 8 kg"]
    with pytest.raises(ConfigurationError, match="config.ticks 12 there, 13 now"):
        replace(config, ticks=13).measure()


def test_rows_of_another_artefact_are_measured_again_and_those_of_other_methods_stay(config):
    known = load(model_folder("go2")).identity
    rows = [{"method": method, "artefact": artefact} for method, artefact in
            (("untuned", known), ("finetuned", "0" * 64), ("finetuned", known), ("scratch", "0" * 64))]  # fmt: skip
    assert [config.outdated(row) for row in rows] == [False, True, False, False]


def test_table_three_has_all_speeds_and_scratch_its_own_commands_and_curve(config, tmp_path):
    # The finetuned one stands for one from nothing: its card tells of trials, too.
    config = replace(
        config, tables=("III", "scratch"), methods=Methods(), scratch=("go2_terrain",), plot=tmp_path / "curve.png"
    )
    seed = load(model_folder("go2_terrain")).card["training"]["configuration"]["finetuning"][-1]["config"]["seed"]
    assert [(cell.table, cell.method, len(cell.commands)) for cell in config.cells()] == [
        ("III", "untuned", 3), ("scratch", f"scratch, seed {seed}", 3)
    ]  # fmt: skip
    config.publish({"rows": []})
    assert config.plot.read_bytes().startswith(b"\x89PNG")


def test_the_slope_chooses_rewards_on_ground_alone(config):
    by_slope = replace(config, tables=("ground", "III"), conditions=("flat",), methods=Methods("", by_slope="go2"))
    (cell,) = by_slope.cells()
    assert (cell.table, cell.method) == ("ground", "by_slope")
    assert len(by_slope.run(replace(cell, commands=((0.5, 0.0, 0.0),)))) == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"conditions": ("moon",)}, "conditions must be some of flat, payload 8 kg.*; got moon"),
        ({"tables": ()}, "tables must be some of ground, III, V, scratch, bag, ablation; got none"),
        ({"tables": ("bag",)}, "the table bag needs --bags"),
        ({"tables": ("scratch",)}, "the table scratch needs --scratch"),
        ({"tables": ("ablation",)}, "the table ablation needs --ablation"),
        ({"robots": 0}, "robots must be at least 1, got 0"),
    ],
)
def test_unknown_settings_are_refused(config, changed, message):
    with pytest.raises(ConfigurationError, match=message):
        replace(config, **changed)
