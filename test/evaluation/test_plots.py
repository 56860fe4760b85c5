"""The pictures show the numbers that they are given, under the names of what they are of."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from diffusion_mpc_ros.evaluation.plots import Point, Series, curves, points, timeline


@pytest.fixture
def path(tmp_path):
    yield tmp_path / "plot.png"
    assert Image.open(tmp_path / "plot.png").size[0] > 400


def test_categories_stand_under_their_names_and_only_marked_points_are_filled(path):
    shown = [Point("N=10", 0.5, [0.4, 0.7]), Point("N=10 C", 0.25, [0.2, 0.25], marked=False)]
    figure = points(path, {"Energy": shown, "empty": []}, "penalty")
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("Energy", "empty")
    assert [text.get_text() for text in first.get_xticklabels()] == ["N=10", "N=10 C"]
    lines = [container.lines for container in first.containers]
    assert [line.get_xydata().tolist() for line, *_ in lines] == [[[0.0, 0.5]], [[1.0, 0.25]]]
    assert [line.get_markerfacecolor() for line, *_ in lines] == ["C0", "none"]
    (bar,) = lines[0][2][0].get_segments()
    np.testing.assert_allclose(bar, [[0.0, 0.4], [0.0, 0.7]])
    assert first.get_ylim()[0] == 0.0


def test_points_over_numbers_stand_at_them_with_their_names_in_a_legend(path):
    shown = [Point("mixer", 0.1, [0.1, 0.1], x=5.0), Point("unet", 0.3, [0.2, 0.4], x=31.0)]
    axes = points(path, {"D=3": shown}, "error", "ms").axes[0]
    assert [bar.lines[0].get_xydata().tolist() for bar in axes.containers] == [[[5.0, 0.1]], [[31.0, 0.3]]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mixer", "unet"]
    # Both axes begin at zero and hold every point.
    assert axes.get_xlim()[0] == axes.get_ylim()[0] == 0.0
    assert axes.get_xlim()[1] > 31.0 and axes.get_ylim()[1] >= 0.4


def test_the_median_lies_in_its_band_beside_what_is_wanted_on_common_axes(path):
    series = Series([0.0, 1.0, 2.0], low=[1.0] * 3, median=[2.0] * 3, high=[3.0] * 3, wanted=[5.0] * 3)
    figure = timeline(path, {"first": series, "nobody": Series([], [], [], [], [])}, "time [s]", "value")
    lines = {line.get_label(): line.get_ydata().tolist() for line in figure.axes[0].lines}
    assert lines == {"asked for": [5.0] * 3, "median": [2.0] * 3}
    low, high = figure.axes[0].collections[0].get_datalim(figure.axes[0].transData).intervaly
    assert (low, high) == (1.0, 3.0)
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_curves_have_their_names_and_begin_at_zero(path):
    figure = curves(path, {"memory [MB]": {"planner": [(0.0, 10.0), (60.0, 100.0)]}, "empty": {}}, "time [min]")
    (line,) = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[0.0, 10.0], [60.0, 100.0]]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["planner"]
    assert figure.axes[0].get_ylim()[0] == 0.0 and figure.axes[1].get_legend() is None
