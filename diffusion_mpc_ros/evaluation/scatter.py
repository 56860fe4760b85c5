"""A scatter plot as a PNG, drawn with the library that the pictures of the robot need anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

WIDTH, HEIGHT, MARGIN, RADIUS = 900, 420, 60, 5
COLOUR, BACKGROUND, AXES, GRID = "#1f77b4", "white", "black", "#dddddd"
GRID_LINES = 4


@dataclass(frozen=True)
class Point:
    """At (x, y), both at least 0, with the ``interval`` of y as a vertical bar; ``marked`` points are filled."""

    label: str
    x: float
    y: float
    interval: tuple[float, float]
    marked: bool


def scatter(path: Path, panels: Mapping[str, Sequence[Point]], x_label: str, y_label: str) -> None:
    """Write one panel below the other: its title, then the points with their labels; both axes begin at zero."""
    image = Image.new("RGB", (WIDTH, HEIGHT * max(len(panels), 1)), BACKGROUND)
    draw = ImageDraw.Draw(image)
    for index, (title, points) in enumerate(panels.items()):
        _panel(draw, index * HEIGHT, f"{title}: {y_label}, over {x_label}", points)
    image.save(path)


def _panel(draw: ImageDraw.ImageDraw, top: int, title: str, points: Sequence[Point]) -> None:
    x_max = 1.1 * max((point.x for point in points), default=0.0) or 1.0
    y_max = 1.1 * max((max(point.y, point.interval[1]) for point in points), default=0.0) or 1.0
    left, right, bottom, upper = MARGIN, WIDTH - 2.5 * MARGIN, top + HEIGHT - MARGIN / 2, top + MARGIN / 2

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * x / x_max, bottom - (bottom - upper) * y / y_max

    for line in range(GRID_LINES + 1):
        x, y = x_max * line / GRID_LINES, y_max * line / GRID_LINES
        draw.line([place(0.0, y), place(x_max, y)], fill=GRID)
        draw.text((8, place(0.0, y)[1] - 6), f"{y:.3g}", fill=AXES)
        draw.text((place(x, 0.0)[0] - 10, bottom + 4), f"{x:.3g}", fill=AXES)
    draw.line([(left, upper), (left, bottom), (right, bottom)], fill=AXES)
    draw.text((left, top + 8), title, fill=AXES)
    for point in points:
        x, y = place(point.x, point.y)
        draw.line([place(point.x, point.interval[0]), place(point.x, point.interval[1])], fill=COLOUR, width=2)
        box = (x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS)
        draw.ellipse(box, fill=COLOUR if point.marked else BACKGROUND, outline=COLOUR, width=2)
        draw.text((x + 2 * RADIUS, y - 6), point.label, fill=AXES)
