"""The catalogue covers what the controller has to survive, and says beforehand what has to be seen."""

from __future__ import annotations

import contextlib
import json

import pytest

from diffusion_mpc_ros.commands.faults import Config
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.faults.catalogue import CATALOGUE
from diffusion_mpc_ros.faults.expectation import Reaction

NAMES = [fault.name for fault in CATALOGUE]
NEEDED = (
    *("planner killed", "planner hung", "planner slow x3", "planner slow x10"),
    *("plans NaN", "plans Inf", "plans out of range", "plans of wrong shape", "plans with old ticks"),
    *("state_estimator killed", "estimator stalled 20 ms", "estimator stalled 500 ms"),
    *("LowState lost 1 %", "LowState lost 5 %", "LowState lost 20 %", "LowState lost in bursts"),
    *("LowState delayed 5 ms", "LowState delayed 45 ms", "LowState duplicated", "LowState reordered"),
    *("LowState CRC broken, all", "LowState NaN, all", "reward service flooded", "reward service fed garbage"),
    *("disk full", "CPU starved", "simulator paused 1 s", "robot pushed over", "joystick unplugged"),
    *("robot clock +10 s", "robot clock -10 s", "command_publisher killed", "foreign LowCmd publisher"),
    *("emergency stop by remote", "emergency stop by topic", "emergency stop by service"),
)


def test_names_are_unique_and_complete():
    assert len(set(NAMES)) == len(NAMES)
    assert set(NEEDED) <= set(NAMES)


def test_every_process_is_killed_once():
    for name in ("planner", "state_estimator", "reward_composer", "go2_simulator", "command_publisher"):
        assert f"{name} killed" in NAMES


@pytest.mark.parametrize("fault", CATALOGUE, ids=NAMES)
def test_expectations_can_be_missed(fault):
    expected = fault.expected
    assert expected.text and fault.injected and fault.duration > 0.0
    # A robot that walks all the time, or one that damps, fails what does not expect it.
    assert len(expected.ends_in) < len(Mode)
    if expected.ends_in == (Mode.FAULT,):
        assert expected.cause and expected.reaction is Reaction.DAMPING
    if not expected.ends_in:
        assert expected.reaction is Reaction.DAMPING
    if fault.name.startswith("ending: ") and " of " not in fault.name:
        assert expected.max_impact == 0.5
    if "emergency stop" in fault.name:
        assert expected.max_moving == 2


def test_the_short_form_has_one_of_every_kind():
    quick = {fault.name for fault in CATALOGUE if fault.quick}
    assert len(quick) <= 16
    kinds = ("operator", "authority", "ending", "clock", "neighbour", "held", "robot")
    assert all(any(name.startswith(f"{kind}: ") for name in quick) for kind in kinds)
    outcomes = {fault.expected.ends_in for fault in CATALOGUE if fault.quick}
    assert outcomes >= {(Mode.WALKING,), (Mode.STANDING,), (Mode.FAULT,), ()}


def test_list_starts_nothing(capsys, tmp_path):
    report = tmp_path / "faults.json"
    assert Config(list=True, json=report).conduct() == 0
    assert "emergency" in capsys.readouterr().out
    assert not report.exists()


def test_unknown_names_are_refused():
    with pytest.raises(ConfigurationError, match="no such fault.*planner hung"):
        Config(only=("no such fault",)).conduct()


def test_json_is_what_is_promised():
    from diffusion_mpc_ros.faults.trial import Result

    row = Result("planner hung", "stands", outcome="walks", problems=["not what was expected"], reaction_ms=1.5).row()
    assert json.loads(json.dumps(row))["passed"] is False
    assert row["outcome"] == "walks; not what was expected"
    assert {"fault", "passed", "outcome", "unsafe_commands", "reaction_ms"} <= set(row)
    assert Result("a", "b", outcome="c").row()["passed"] is True
    assert Result("a", "b", outcome="c", unsafe_commands=1).row()["passed"] is False


def test_faults_that_are_in_the_file_start_nothing_and_decide_the_exit_status(tmp_path, monkeypatch, capsys):
    from diffusion_mpc_ros.faults import harness, trial

    config = Config(only=("planner hung", "planner killed"), json=tmp_path / "f.json", markdown=tmp_path / "f.md")
    rows = [trial.Result(fault.name, fault.expected.text, "as expected") for fault in config.cells()]
    monkeypatch.setattr(harness, "Harness", contextlib.nullcontext)
    monkeypatch.setattr(Config, "running", None)
    monkeypatch.setattr(trial, "run", lambda _, fault: rows[[row.fault for row in rows].index(fault.name)])
    assert config.conduct() == 0
    report = json.loads(config.json.read_text())
    assert (report["passed"], report["of"], report["seed"]) == (2, 2, 0) and report["machine"]["cores"] >= 1
    assert "| planner hung | SIGSTOP | stands and waits for the operator | yes |" in config.markdown.read_text()
    monkeypatch.setattr(trial, "run", lambda *_: pytest.fail("tried again"))
    assert config.conduct() == 0
    report["rows"][0]["passed"] = False
    config.json.write_text(json.dumps(report))
    # Another one that is asked for is judged alone.
    assert [Config(only=(name,), json=config.json).conduct() for name in ("planner killed", "planner hung")] == [1, 0]
    # Another seed is another run: its report is not overwritten.
    with pytest.raises(ConfigurationError, match="seed 0 there, 1 now"):
        Config(only=("planner hung",), json=config.json, seed=1).conduct()
