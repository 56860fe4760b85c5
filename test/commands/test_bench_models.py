"""`bench models`: what it measures and writes; no speed is asserted."""

from __future__ import annotations

import json

import pytest

from diffusion_mpc_ros.commands import bench_models
from diffusion_mpc_ros.core.errors import ConfigurationError


def test_the_full_model_is_right_and_cheaper_ones_are_a_little_wrong(tmp_path, capsys):
    path = tmp_path / "models.json"
    models = ("full", "elliptic_10ms", "sweeps_10ms")
    bench_models.Config(models=models, candidates=4, horizon=10, repeats=1, json=path).conduct()
    rows = json.loads(path.read_text())["rows"]
    assert tuple(row["model"] for row in rows) == models
    full, cheap, swept = rows
    assert full["velocity_error"] == full["position_error"] == full["tilt_error"] == 0.0
    # Within 0.2 s from a stand: another physics, yet the same robot.
    assert 0.0 < cheap["velocity_error"] < 0.3 and 0.0 < cheap["position_error"] < 0.03
    # The same contacts by another solver.
    assert abs(swept["velocity_error"] - cheap["velocity_error"]) < 0.05
    # Ten and two physics steps a tick.
    for row, steps in ((full, 10), (cheap, 2)):
        assert row["steps_per_second"] / row["ticks_per_second"] == pytest.approx(steps)
    assert "elliptic_10ms" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "message"), [({"models": ("cheap",)}, "'cheap'; there is full, "), ({"repeats": 0}, "at least 1")]
)
def test_nothing_to_measure_is_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        bench_models.Config(**wrong)
