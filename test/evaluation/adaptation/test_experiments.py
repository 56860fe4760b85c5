"""``evaluate height``, ``energy`` and ``balance`` at tiny size: measures by hand, reports, their continuation."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.parameters import Parameter
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.adaptation import walks
from diffusion_mpc_ros.evaluation.adaptation.experiment import Case
from diffusion_mpc_ros.evaluation.adaptation.walks import WalksExperiment
from diffusion_mpc_ros.evaluation.experiments import balance, energy, height
from diffusion_mpc_ros.policies.objectives import make_composer
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.rewards.presets import Preset
from diffusion_mpc_ros.rewards.registry import TERMS, RewardTerm

TARGET = Parameter("base_height.target", (0.29,), 0.1, 0.4, "m", "for this test")


def height_composer():
    """A term of that name which is never weighed, and a preset that an untrained artefact can follow."""
    term = RewardTerm("base_height", lambda segment, parameters: segment[:, 0, 0], "m^2", 1.0, "", (TARGET,))
    preset = Preset("height", "", weights={"joint_velocity": 0.1})
    return RewardComposer({"height": preset}, {}, terms={**TERMS, "base_height": term})


@pytest.fixture
def small(random_artefact):
    return ["--artefact", str(random_artefact), "--robots", "2", "--threads", "1", "--backend", "onnxruntime"]


def evaluate(command, small, folder, *arguments):
    files = {name: folder / "results" / f"{command}.{name}" for name in ("json", "md", "png")}
    options = ["--json", str(files["json"]), "--markdown", str(files["md"]), "--plot", str(files["png"])]
    assert cli.main(["evaluate", command, *small, *options, *arguments]) == 0
    assert files["png"].stat().st_size > 0
    return json.loads(files["json"].read_text()), files["md"].read_text()


def test_progress_is_along_the_heading():
    # Heading along +y; 6 mm forward and 8 mm to the left in 20 ms.
    half = np.sqrt(0.5)
    before = SimpleNamespace(base_pos=np.array([[1.0, 2.0, 0.3]]), base_quat_wxyz=np.array([[half, 0.0, 0.0, half]]))
    now = SimpleNamespace(base_pos=np.array([[0.992, 2.006, 0.4]]))
    np.testing.assert_allclose(energy.progress_rate(before, now), [0.3])


def test_foot_lift_is_the_mean_height_over_the_standing_feet():
    feet = np.zeros((1, 4, 3))
    # Two feet stand (their centres 22 mm up), two are 80 mm and 20 mm higher.
    feet[0, :, 2] = 0.022, 0.102, 0.022, 0.042
    np.testing.assert_allclose(energy.foot_lift(None, SimpleNamespace(foot_height=feet[..., 2])), [0.025])


def test_energy_per_metre_is_of_all_robots_together():
    changed = energy.energy_change(*map(np.array, ([60.0, 80.0], [0.5, 0.5], [100.0, 100.0], [0.75, 0.25])))
    # 140 W at 1 m/s in all, against 200 W at 1 m/s.
    assert changed["energy_per_metre"] == pytest.approx(140.0)
    assert changed["unplanned_per_metre"] == pytest.approx(200.0)
    assert changed["change"] == pytest.approx(-0.3)
    # Of two robots the draws are one of them twice, or both: -55 % .. -30 % is 60 / 0.5 against 100 / 0.75 (-10 %),
    # 80 / 0.5 against 100 / 0.25 (-60 %), and the above.
    assert changed["interval"] == pytest.approx([-0.6, -0.1])


@pytest.mark.parametrize(("power", "speed"), [([], []), ([50.0], [0.0]), ([50.0], [-0.1])])
def test_who_does_not_get_on_has_no_energy_per_metre(power, speed):
    values = np.array(power), np.array(speed)
    assert set(energy.energy_change(*values, *values).values()) == {None}


def test_energy_report(small, random_artefact, tmp_path, capsys):
    report, page = evaluate("energy", small, tmp_path, "--ticks", "8", "--candidates", "2", "1")
    assert report["artefact"] == load(random_artefact).identity
    assert report["config"]["forward"] == [0.6, 0.6]
    assert [(row["preset"], row["candidates"]) for row in report["rows"]] == [(None, 1), ("energy", 1), ("energy", 2)]
    unplanned, first, _ = report["rows"]
    assert unplanned["tracking_ratio"] == 1.0 and unplanned["settings"]["weights"] == {}
    assert first["settings"]["weights"] == make_composer().presets["energy"].weights
    for row in report["rows"]:
        assert row["survival"] == 1.0
        if row["energy_per_metre"] is not None:
            assert row["energy_per_metre"] == pytest.approx(row["power"] / row["speed"])
            # 15.206 kg x 9.81 m/s^2 = 149.17 N
            assert row["cost_of_transport"] == pytest.approx(row["energy_per_metre"] / 149.17, rel=1e-3)
    assert "| energy N=2 |" in page and "| no planning |" in page
    assert "cost of transport" in capsys.readouterr().out


def test_a_report_is_continued_and_outdated_rows_are_measured_again(small, tmp_path, monkeypatch):
    labels, walk = [], WalksExperiment.walk

    def recorded(self, *args, label, **kwargs):
        labels.append(label)
        return walk(self, *args, label=label, **kwargs)

    monkeypatch.setattr(WalksExperiment, "walk", recorded)
    first, _ = evaluate("energy", small, tmp_path, "--ticks", "6", "--candidates", "2")
    assert labels == ["no planning", "energy N=2"]
    labels.clear()
    again, _ = evaluate("energy", small, tmp_path, "--ticks", "6", "--candidates", "2")
    assert again == first and labels == []
    first["rows"][1]["settings"]["weights"]["energy"] *= 2.0
    (tmp_path / "results" / "energy.json").write_text(json.dumps(first))
    again, _ = evaluate("energy", small, tmp_path, "--ticks", "6", "--candidates", "2")
    assert labels == ["no planning", "energy N=2"] and len(again["rows"]) == 2
    assert again["rows"][1]["settings"]["weights"] == make_composer().presets["energy"].weights


@pytest.mark.parametrize(
    ("ramp", "expected"),
    # At the ticks 0, 199, 200, 225 and 250 of a request at tick 200; a ramp of 1 s is halfway after 25 ticks.
    [(0.0, [0.25, 0.25, 0.18, 0.18, 0.18]), (1.0, [0.25, 0.25, 0.25, 0.215, 0.18])],
)
def test_the_request_changes_the_target_at_its_tick(ramp, expected):
    config = height.Config(ramp=ramp)
    settings = config.settings_over_time(height_composer(), Case("height", 10))
    targets = [settings(tick).parameters["base_height.target"].item() for tick in (0, 199, 200, 225, 250)]
    assert targets == pytest.approx(expected)
    assert all(settings(tick).weights["joint_velocity"] == 0.1 for tick in (0, 200, 250))
    unplanned = config.settings_over_time(height_composer(), Case(None, 1))
    assert unplanned(0).weights == unplanned(300).weights == {}


def test_height_report(small, tmp_path, monkeypatch):
    monkeypatch.setattr(walks, "make_composer", height_composer)
    arguments = ["--ticks", "130", "--request", "2.2", "--window", "0.1", "--candidates", "2", "--forward", "0", "0"]
    report, page = evaluate("height", small, tmp_path, *arguments)
    assert [(row["preset"], row["candidates"]) for row in report["rows"]] == [(None, 1), ("height", 2)]
    assert report["config"]["request"] == 2.2 and report["config"]["high"] == 0.25
    for row in report["rows"]:
        assert len(row["heights"]["time"]) == len(row["heights"]["median"]) > 0
        if row["survival"] == 1.0:
            assert 0.1 < row["before"] < 0.4
        assert row["settled"] >= row["settled_in_time"]
    assert "| height N=2 |" in page and "0.25 m to 0.18 m" in page
    before = (tmp_path / "results" / "height.json").read_text()
    evaluate("height", small, tmp_path, *arguments)
    assert (tmp_path / "results" / "height.json").read_text() == before


def met_row(**changes):
    row = {"preset": "height", "settling_time": 1.0, "error": 0.015, "void": False, "survival": 0.99, "change": -0.2}
    return {**row, **changes}


@pytest.mark.parametrize(
    ("changes", "reached"),
    [({}, True), ({"settling_time": 1.02}, False), ({"settling_time": None}, False), ({"error": 0.016}, False),
     ({"error": None}, False), ({"void": True}, False), ({"survival": 0.98}, False)],
)  # fmt: skip
def test_the_height_is_reached_in_time_closely_and_walking(changes, reached):
    assert height.met(met_row(**changes)) is reached


@pytest.mark.parametrize(
    ("changes", "reached"),
    [({}, True), ({"change": -0.19}, False), ({"change": None}, False), ({"void": True}, False),
     ({"survival": 0.98}, False)],
)  # fmt: skip
def test_the_energy_is_saved_walking(changes, reached):
    assert energy.met(met_row(**changes)) is reached


def test_balance_report(small, tmp_path):
    arguments = ["--angles", "60", "--ticks", "317", "--candidates", "2", "--forward", "0", "0"]
    report, page = evaluate("balance", small, tmp_path, *arguments)
    assert [(row["preset"], row["angle"], row["difficulty"]) for row in report["rows"]] == [
        (None, 60.0, "easy"), ("balance", 60.0, "easy"),
    ]  # fmt: skip
    assert report["config"]["pendulum"] == {"mass": 3.8, "length": 1.2, "radius": 0.049}
    for row in report["rows"]:
        assert row["trials"] == 2 and row["hits"] + row["fell_unhit"] <= 2
        assert row["hits"] == row["fell"] + row["stuck"] + row["successes"]
        assert row["free_swing_speed"] == pytest.approx(3.431, abs=1e-3)
    assert "60 deg, easy" in page
    before = (tmp_path / "results" / "balance.json").read_text()
    evaluate("balance", small, tmp_path, *arguments)
    assert (tmp_path / "results" / "balance.json").read_text() == before


@pytest.mark.parametrize(
    ("kind", "settings", "named"),
    [(height.Config, {"request": 1.0}, "request"), (height.Config, {"request": 9.0}, "request"),
     (height.Config, {"window": 0.0}, "window"), (height.Config, {"candidates": ()}, "candidates"),
     (energy.Config, {"candidates": (0,)}, "candidates"), (energy.Config, {"forward": (0.7, 0.6)}, "forward"),
     (balance.Config, {"angles": (180.0,)}, "angles"), (balance.Config, {"angles": ()}, "angles"),
     (balance.Config, {"mass": 0.0}, "mass"), (balance.Config, {"ticks": 330}, "ticks must be at least 333")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(kind, settings, named):
    with pytest.raises(ConfigurationError, match=named):
        kind(**settings)


def test_an_unknown_preset_is_told_with_the_valid_ones(small, capsys):
    assert cli.main(["evaluate", "energy", *small, "--ticks", "2", "--preset", "speed"]) == 2
    assert "energy" in capsys.readouterr().err
