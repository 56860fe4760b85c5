"""The frames of a film: pictures side by side, captions on them, written as WebP or GIF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

FORMATS = (".webp", ".gif")
# Between the pictures [pixels], and its colour.
GAP, GAP_COLOUR = 4, (255, 255, 255)
INK, QUIET, MARK = (32, 38, 46), (92, 102, 114), (196, 72, 16)
PLATE = (255, 255, 255, 205)
# Of a picture's height: the name, and the numbers below it.
NAME_SIZE, TEXT_SIZE = 0.085, 0.065
# Colours of a GIF, the same in all frames: what stands still is written once.
COLOURS = 96


@dataclass(frozen=True)
class Caption:
    """A name and numbers under it, of which ``marked`` (-1: none) stands out."""

    name: str
    numbers: tuple[str, ...]
    marked: int


def reduced(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture ``(H, W, 3)`` uint8 in another ``size`` (width, height)."""
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def frame(pictures: Sequence[tuple[np.ndarray, Caption]], columns: int) -> Image.Image:
    """Pictures of one size in rows of ``columns``, each with its caption."""
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width = pictures[0][0].shape[:2]
    whole = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP), GAP_COLOUR)
    for index, (picture, caption) in enumerate(pictures):
        row, column = divmod(index, columns)
        whole.paste(_captioned(picture, caption), (column * (width + GAP), row * (height + GAP)))
    return whole


def _captioned(picture: np.ndarray, caption: Caption) -> Image.Image:
    image = Image.fromarray(picture).convert("RGBA")
    height = image.height
    name_font, font = _font(round(NAME_SIZE * height), True), _font(round(TEXT_SIZE * height), False)
    margin = round(0.035 * height)
    plate = Image.new("RGBA", image.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(plate)
    first, second = margin + round(0.02 * height), margin + round(0.125 * height)
    ends = [draw.textlength(caption.name, name_font), _numbers_width(draw, caption, font)]
    box = (margin, margin, round(3 * margin + max(ends)), margin + round(0.225 * height))
    draw.rounded_rectangle(box, radius=margin, fill=PLATE)
    draw.text((2 * margin, first), caption.name, INK, name_font)
    x = 2.0 * margin
    for index, number in enumerate(caption.numbers):
        draw.text((x, second), number, MARK if index == caption.marked else QUIET, font)
        x += draw.textlength(number, font) + _space(draw, font)
    return Image.alpha_composite(image, plate).convert("RGB")


def _numbers_width(draw: ImageDraw.ImageDraw, caption: Caption, font: ImageFont.FreeTypeFont) -> float:
    return sum(draw.textlength(number, font) + _space(draw, font) for number in caption.numbers) - _space(draw, font)


def _space(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont) -> float:
    return draw.textlength("   ", font)


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib ships."""
    properties = font_manager.FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return ImageFont.truetype(font_manager.findfont(properties), size)


def write_film(path: Path, frames: Sequence[Image.Image], period: float, quality: int) -> None:
    """Write the frames as a film that repeats, one every ``period`` [s]; whole or not at all."""
    staging = path.with_name(f".{path.stem}.part{path.suffix}")
    options: dict[str, object] = {"save_all": True, "duration": round(1000 * period), "loop": 0}
    if path.suffix == ".gif":
        palette = frames[len(frames) // 2].quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
        frames = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in frames]
        options |= {"optimize": True}
    else:
        options |= {"quality": quality, "method": 6, "minimize_size": False, "allow_mixed": False}
    try:
        frames[0].save(staging, append_images=list(frames[1:]), **options)
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)
