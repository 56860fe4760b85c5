"""Curves end where their numbers say."""

from __future__ import annotations

import numpy as np
from PIL import Image

from diffusion_mpc_ros.faults.plot import COLOURS, HEIGHT, WIDTH, plot


def test_a_rising_line_is_drawn_from_lower_left_to_upper_right(tmp_path):
    path = tmp_path / "plot.png"
    plot(path, {"memory [MB]": {"planner": [(0.0, 0.0), (60.0, 100.0)]}, "empty": {}}, "time [min]")
    pixels = np.array(Image.open(path))
    assert pixels.shape == (2 * HEIGHT, WIDTH, 3)
    colour = tuple(int(COLOURS[0][index : index + 2], 16) for index in (1, 3, 5))
    rows, columns = np.nonzero((pixels[:HEIGHT, : WIDTH - 160] == colour).all(axis=-1))
    assert rows[columns.argmin()] > 0.8 * HEIGHT and rows[columns.argmax()] < 0.25 * HEIGHT
    assert np.corrcoef(columns, rows)[0, 1] < -0.99


def test_nothing_to_draw(tmp_path):
    plot(tmp_path / "plot.png", {"memory": {"planner": []}}, "time")
    assert (tmp_path / "plot.png").stat().st_size > 0
