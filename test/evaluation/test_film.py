"""A film: what its captions say, by hand, and a short one from end to end."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_mpc_ros.core.errors import ConfigurationError, DiffusionMpcError
from diffusion_mpc_ros.evaluation import film
from diffusion_mpc_ros.evaluation.film import FilmConfig, Walk
from diffusion_mpc_ros.evaluation.film_frame import GAP, Caption, frame, write_film

TICKS, ASKED, START = 300, 150, 100


def walk(preset: str, *after: float) -> Walk:
    """30 cm, level, 50 W, 2.5 Hz, then, from half a second after the preset was asked for, what is given."""
    measures = np.tile([0.3, 0.0, 50.0, 0.0, 0.0, 0.0, 0.0], (TICKS, 1))
    measures[ASKED + 25 :, :3] = after
    measures[:, 3:] = np.sin(2.0 * math.pi * 2.5 * 0.02 * np.arange(TICKS))[:, None]
    return Walk(preset, [], measures, START, ASKED)


def test_a_caption_names_the_preset_once_it_is_asked_for_and_marks_what_changed_most():
    low = walk("low", 0.2, math.radians(-3.0), 60.0)  # 10 cm, 3 degrees, 2 tenths of the power
    before, last = (ASKED - START) // film.PERIOD - 1, (TICKS - START) // film.PERIOD - 1
    assert low.caption(before) == Caption("no reward", ("30.0 cm", "+0\u00b0", "50 W", "2.5 Hz"), -1)
    assert low.caption(last) == Caption("low", ("20.0 cm (-10.0)", "-3\u00b0", "60 W", "2.5 Hz"), 0)
    saving = walk("energy", 0.3, 0.0, 35.0)
    assert saving.caption(last) == Caption("energy", ("30.0 cm", "+0\u00b0", "35 W (-30%)", "2.5 Hz"), 2)


def test_a_step_frequency_is_that_of_the_thigh():
    ticks = np.arange(100)
    assert film.step_frequency(0.8 + 0.2 * np.sin(2.0 * math.pi * 2.5 * 0.02 * ticks)) == pytest.approx(2.5)
    assert film.step_frequency(np.zeros(100)) == film.step_frequency(ticks / 100.0) == 0.0


def test_hardly_any_change_marks_nothing():
    same = walk("none", 0.305, 0.0, 52.0)
    assert same.marked == -1 and same.caption(50).name == "no reward"


def test_pictures_stand_side_by_side_and_the_film_repeats(tmp_path):
    grey = np.full((100, 160, 3), 128, dtype=np.uint8)
    caption = Caption("low", ("20.0 cm",), 0)
    whole = frame([(grey, caption)] * 3, columns=2)
    assert whole.size == (2 * 160 + GAP, 2 * 100 + GAP)
    assert whole.getpixel((150, 90)) == (128, 128, 128) and whole.getpixel((162, 50)) == (255, 255, 255)
    other = frame([(grey // 2, caption)] * 3, columns=2)
    for suffix in (".webp", ".gif"):
        write_film(tmp_path / f"film{suffix}", [whole, other], 0.06, 60)
        with Image.open(tmp_path / f"film{suffix}") as written:
            assert (written.n_frames, written.size, written.info["loop"]) == (2, whole.size, 0)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".gif", ".webp"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"presets": ()}, "presets"), ({"before": 6.0}, "before"), ({"speed": 3.0}, "speed"), ({"size": (1, 1)}, "size"),
     ({"quality": 0}, "quality"), ({"output": Path("film.mp4")}, "output"), ({"presets": ("sideways",)}, "sideways")],
)  # fmt: skip
def test_what_makes_no_film_is_refused(wrong, reason):
    with pytest.raises(DiffusionMpcError, match=reason):
        FilmConfig(**wrong)


def test_a_film_from_end_to_end(tmp_path):
    output = tmp_path / "folder" / "film.webp"
    config = FilmConfig(presets=("none", "low"), seconds=0.24, before=0.12, size=(96, 64), output=output)
    try:
        film.main(config)
    except ConfigurationError as error:
        pytest.skip(str(error))
    with Image.open(output) as written:
        assert (written.n_frames, written.size) == (4, (2 * 96 + GAP, 64))
