"""`evaluate hybrid`: a row for each walk, robots that have the change, the same walk again, the common table."""

from __future__ import annotations

import json

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.experiments.hybrid import CHANGES, Config

OPTIONS = {"changes": ("slope",), "delays": (1,), "commands": ((0.5, 0.0, 0.0),), "robots": 1, "ticks": 4}


def test_planner_and_prior_walk_robots_with_the_change(tmp_path, capsys):
    table = tmp_path / "table.json"
    table.write_text('{"rows": [{"task": "jump", "method": "dial_mpc"}]}')
    config = Config(**OPTIONS, precision="f32", json=tmp_path / "hybrid.json", table=table)
    assert config.conduct() == 0
    rows = config.measure()["rows"]
    assert [(row["task"], row["method"], row["delay"]) for row in rows] == [
        ("hybrid_slope", "hybrid", 1),
        ("hybrid_slope", "diffusion_mpc", 1),
    ]
    assert [(row["samples"], row["candidates"], row["iterations"]) for row in rows] == [(12, 10, 1), (1, 1, 10)]
    for row in rows:
        assert (row["survival"], row["trials"], row["live"]) == (1.0, 1, False)
        assert row["base_height"] == pytest.approx(0.3, abs=0.05)  # above the slope
        assert row["interval"] == pytest.approx([row["velocity_error"]] * 2)  # of one robot every draw is that one
    written = json.loads(table.read_text())["rows"]
    assert [row["task"] for row in written] == ["jump", "hybrid_slope", "hybrid_slope"]
    assert written[1]["variant"] == "a plan 1 tick late"
    assert "hybrid_slope" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"changes": ("payload",)}, "unknown change 'payload'; there is nominal, payload_6"),
        ({"methods": ("dial_mpc",)}, "unknown method 'dial_mpc'; there is hybrid, diffusion_mpc"),
        ({"ticks": 0}, "ticks"),
    ],
)
def test_what_cannot_be_walked_is_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        Config(**wrong)


def test_the_changes_are_what_their_names_say():
    assert CHANGES["payload_6"].payload_mass == 6.0 and CHANGES["payload_10"].payload_mass == 10.0
    assert CHANGES["calf"].numbers["FL_calf"] == 0.4 and CHANGES["slope"].slope == 20.0
