"""The picture of values over time: what is drawn where."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor

from diffusion_mpc_ros.evaluation.timeline import BAND, HEIGHT, LINE, MARGIN, WANTED, WIDTH, Series, timeline


def pixels(path, colour):
    """Rows and columns of the pixels of a colour."""
    image = np.asarray(Image.open(path).convert("RGB"))
    return np.nonzero((image == ImageColor.getrgb(colour)).all(axis=2))


def test_the_median_lies_in_its_band_and_below_what_is_wanted(tmp_path):
    time = [0.0, 1.0, 2.0]
    series = Series(time, low=[1.0] * 3, median=[2.0] * 3, high=[3.0] * 3, wanted=[5.0] * 3)
    timeline(tmp_path / "plot.png", {"first": series, "second": series}, "time [s]", "value")
    assert Image.open(tmp_path / "plot.png").size == (WIDTH, 2 * HEIGHT)
    # From 1 at the lower edge to 5 at the upper one: a quarter of the panel's 360 pixels for each unit.
    lower = HEIGHT - MARGIN / 2
    rows, columns = pixels(tmp_path / "plot.png", LINE)
    first = rows < HEIGHT
    assert abs(rows[first].mean() - (lower - 90.0)) <= 1.0
    assert columns.min() <= MARGIN + 1 and columns.max() >= WIDTH - MARGIN / 2 - 1
    assert abs(rows[~first].mean() - rows[first].mean() - HEIGHT) <= 1.0
    band, _ = pixels(tmp_path / "plot.png", BAND)
    assert abs(band[band < HEIGHT].min() - (lower - 180.0)) <= 1.0
    wanted, _ = pixels(tmp_path / "plot.png", WANTED)
    assert abs(wanted[wanted < HEIGHT].mean() - (lower - 360.0)) <= 1.0


def test_what_has_no_values_or_no_spread_is_drawn_too(tmp_path):
    empty = Series([], [], [], [], [])
    timeline(tmp_path / "empty.png", {"nobody": empty}, "time", "value")
    flat = Series([0.0, 1.0], *[[0.2, 0.2]] * 4)
    timeline(tmp_path / "flat.png", {"flat": flat, "nobody": empty}, "time", "value")
    assert len(pixels(tmp_path / "flat.png", LINE)[0]) > 0
