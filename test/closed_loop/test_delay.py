"""`diffusion-mpc bench delay` for real: five processes and a listener on the wire. No time is asserted."""

from __future__ import annotations

import json

import pytest
from command_line import run_to_the_end

LIMIT = 180.0


@pytest.mark.real_time
def test_delays_are_measured_while_the_robot_walks(tmp_path):
    file, picture = tmp_path / "delay.json", tmp_path / "delay.png"
    # As in the other closed-loop tests: the machine that runs them may be slow.
    arguments = ["bench", "delay", "--duration", "5", "--json", str(file), "--plot", str(picture)]
    arguments += ["--replan-margin", "2", "--replan-interval", "1", "--parameters", "planner.candidates=1"]
    arguments += ["planner.steps=5", "planner.sampler=ddim"]
    run_to_the_end(arguments, timeout=LIMIT)
    result = json.loads(file.read_text())
    assert len(result["artefact"]) == 64 and result["settings"]["replan_margin"] == 2
    commands, plans = result["commands"], result["plans"]
    assert commands["sent"] > 100 and commands["unmatched"] < 0.5 * commands["sent"]
    assert plans["made"] > 50 and plans["unmatched"] < 0.5 * plans["made"]
    for name in ("planned_ms", "reflex_ms", "lowcmd_interval_ms"):
        numbers = result[name]
        assert numbers["count"] > 0
        assert 0.0 < numbers["min"] <= numbers["p50"] <= numbers["p90"] <= numbers["p99"] <= numbers["max"] < 1e4
    # What was on the wire was stamped after it was written.
    for topic in ("lowstate", "lowcmd"):
        assert result["listener"][f"{topic}_lag_ms"]["min"] > 0.0
    assert picture.stat().st_size > 0
