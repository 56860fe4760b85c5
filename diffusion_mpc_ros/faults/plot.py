"""Curves over time as a PNG, drawn with the library that the pictures of the robot need anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

WIDTH, HEIGHT, MARGIN = 900, 300, 60
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")
BACKGROUND, AXES, GRID = "white", "black", "#dddddd"
GRID_LINES = 4


def plot(path: Path, panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], x_label: str) -> None:
    """Write one panel below the other: its title, then curves by name as points (x, y).

    y begins at zero, x at zero or its smallest negative.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT * max(len(panels), 1)), BACKGROUND)
    draw = ImageDraw.Draw(image)
    for index, (title, curves) in enumerate(panels.items()):
        _panel(draw, index * HEIGHT, title, curves, x_label)
    image.save(path)


def _panel(draw: ImageDraw.ImageDraw, top: int, title: str, curves: Mapping[str, Sequence], x_label: str) -> None:
    points = [point for curve in curves.values() for point in curve]
    x_min = min((x for x, _ in points if x < 0.0), default=0.0)
    x_max = max((x for x, _ in points if x > 0.0), default=1.0)
    y_max = 1.1 * max((y for _, y in points), default=0.0) or 1.0
    left, right, bottom, upper = MARGIN, WIDTH - 2.5 * MARGIN, top + HEIGHT - MARGIN / 2, top + MARGIN / 2

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * (x - x_min) / (x_max - x_min), bottom - (bottom - upper) * y / y_max

    for line in range(GRID_LINES + 1):
        y, x = y_max * line / GRID_LINES, x_min + (x_max - x_min) * line / GRID_LINES
        draw.line([place(x_min, y), place(x_max, y)], fill=GRID)
        draw.text((8, place(x_min, y)[1] - 6), f"{y:.3g}", fill=AXES)
        draw.text((place(x, 0.0)[0] - 10, bottom + 4), f"{x:.3g}", fill=AXES)
    draw.line([(left, upper), (left, bottom), (right, bottom)], fill=AXES)
    draw.text((left, top + 8), f"{title}, over {x_label}", fill=AXES)
    for index, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        if len(curve) > 1:
            draw.line([place(x, y) for x, y in curve], fill=colour, width=2)
        draw.text((right + 12, upper + 16 * index), name, fill=colour)
