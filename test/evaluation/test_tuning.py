"""The plots of docs/results/tuning.md show what the reports hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.evaluation import tuning
from diffusion_mpc_ros.evaluation.plots import Point, groups, lines

RESULTS = Path(__file__).parents[2] / "docs" / "results"
PLOTS = ("tuning_reward.png", "tuning_time.png", "tuning_steps.png")


def test_groups_stand_side_by_side_over_their_category(tmp_path):
    series = {"a": [Point("", -10, [-12, -9]), Point("", -20, [-20, -20])], "b": [Point("", 5, [5, 5], marked=False)]}
    (axes,) = groups(tmp_path / "plot.png", ["first", "second"], series, "change [%]").axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["first", "second"]
    # Two series share 0.6 of a category: each is 0.15 off its middle.
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines if len(line.get_xdata())}
    np.testing.assert_allclose(drawn["a"], [[-0.15, -10], [0.85, -20]])
    np.testing.assert_allclose(drawn["b"], [[0.15, 5]])
    (hollow,) = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert hollow.get_xydata().tolist() == drawn["b"]
    np.testing.assert_allclose(axes.collections[0].get_segments()[0], [[-0.15, -12], [-0.15, -9]])


def test_lines_have_their_limits_and_their_own_places(tmp_path):
    series = {"f32": [Point("", 8.0, [8.0, 9.0], x=1), Point("", 60.0, [60.0, 70.0], x=100)]}
    (axes,) = lines(tmp_path / "plot.png", {"": series}, "N", "ms", {"budget": 16.0}, logarithmic=True).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "100"]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert [line.get_ydata() for line in axes.lines if line.get_linestyle() == "--"] == [[16.0, 16.0]]
    assert [text.get_text() for text in axes.texts] == ["budget"]


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn of the shipped reports, by the name of its function."""
    calls = {}
    monkeypatch.setattr(tuning, "groups", lambda *arguments, **_: calls.update(groups=arguments))
    monkeypatch.setattr(tuning, "lines", lambda *arguments, **_: calls.update(lines=arguments))
    return calls


def test_the_numbers_are_those_of_the_reports(drawn, tmp_path):
    rows = json.loads((RESULTS / "adaptation.json").read_text())["rows"]
    tuning.draw_rewards(rows, tmp_path)
    _, names, series, _ = drawn["groups"]
    assert len(names) == 6 and list(series) == list(tuning.WAYS)
    energy = [name.replace("\n", "_") for name in names].index("energy")
    wanted = {"objective": "energy", "candidates": 10, "reward": True, "constraint": False}
    (row,) = [row for row in rows if wanted.items() <= row.items()]
    assert series["N = 10, guided"][energy].y == pytest.approx(100 * row["change"])

    tuning.draw_times(json.loads((RESULTS / "bench.json").read_text())["rows"], tmp_path)
    _, panels, _, _, budgets = drawn["lines"]
    (series,) = panels.values()
    assert [point.x for point in series["OpenVINO int8"]] == [1, 10, 32, 100]
    # 80 % of the shorter of max(D, 1) and R ticks of 20 ms: 2 and 1 ticks.
    assert list(budgets.values()) == pytest.approx([32.0, 16.0])

    tuning.draw_steps(json.loads((RESULTS / "caching_randomized.json").read_text())["rows"], tmp_path)
    _, panels, _, _ = drawn["lines"]
    every_tick = panels["D = 1, R = 1, randomised robots"]
    assert [(point.x, point.marked) for point in every_tick["from the last plan"]] == [
        (2, False),
        (3, False),
        (5, True),
    ]
    assert all(point.marked for point in every_tick["from noise"])


def test_the_command_draws_all_of_them_as_large_as_the_shipped_ones(tmp_path, capsys):
    assert cli.main(["evaluate", "tuning", "--results", str(RESULTS), "--output", str(tmp_path)]) == 0
    assert [Path(line).name for line in capsys.readouterr().out.splitlines()] == list(PLOTS)
    for name in PLOTS:
        assert Image.open(tmp_path / name).size == Image.open(RESULTS / name).size


@pytest.mark.parametrize("text", ["{}", "[]", "{"])
def test_what_is_no_report_is_refused(tmp_path, text, capsys):
    (tmp_path / "adaptation.json").write_text(text)
    assert cli.main(["evaluate", "tuning", "--results", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert "adaptation.json is no report with rows" in capsys.readouterr().err
