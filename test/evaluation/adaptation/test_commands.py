"""``evaluate adaptation`` and ``evaluate compose`` at tiny size: the reports, their continuation, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.adaptation import report, walks
from diffusion_mpc_ros.evaluation.adaptation.walks import WalksExperiment
from diffusion_mpc_ros.evaluation.experiments import compose
from diffusion_mpc_ros.evaluation.experiments.adaptation import Cell, Config
from diffusion_mpc_ros.policies.objectives import OBJECTIVES, describe_settings, make_composer

# An untrained denoiser does not walk, but it does not fall over within so few ticks either.
SMALL = ["--robots", "2", "--ticks", "8", "--threads", "1", "--backend", "onnxruntime"]
ENERGY = OBJECTIVES["energy"]


@pytest.fixture(scope="module")
def small(random_artefact):
    return ["--artefact", str(random_artefact), *SMALL]


@pytest.fixture
def runs(monkeypatch):
    """The labels of the runs that are made."""
    labels, walk = [], WalksExperiment.walk

    def recorded(self, *args, label, **kwargs):
        labels.append(label)
        return walk(self, *args, label=label, **kwargs)

    monkeypatch.setattr(WalksExperiment, "walk", recorded)
    return labels


def adaptation(small, path, *arguments):
    planner_alone = ["--demonstrator", "None", "--specialists", str(path.parent / "none")]
    assert cli.main(["evaluate", "adaptation", *small, *planner_alone, "--json", str(path), *arguments]) == 0
    return json.loads(path.read_text())


def test_the_report_has_every_cell_in_the_agreed_form(small, random_artefact, tmp_path, capsys):
    path, page, picture = tmp_path / "results" / "adaptation.json", tmp_path / "page.md", tmp_path / "plot.png"
    arguments = ["--objectives", "energy", "posture_n", "--candidates", "1", "2"]
    written = adaptation(small, path, *arguments, "--markdown", str(page), "--plot", str(picture))
    assert written["artefact"] == load(random_artefact).identity
    keys = [(row["objective"], row["candidates"], row["reward"], row["constraint"]) for row in written["rows"]]
    kinds = [(1, False, False), (2, False, False), (1, True, False), (2, True, False),
             (1, False, True), (2, False, True), (1, True, True), (2, True, True)]  # fmt: skip
    assert keys == [(name, *kind) for name in ("posture_n", "energy") for kind in kinds]
    for row in written["rows"]:
        objective = OBJECTIVES[row["objective"]]
        assert row["survival"] == 1.0 and row["robots"] == 2
        assert row["penalty"] == pytest.approx(objective.paper * row["penalty_raw"] / row["unplanned_raw"])
        assert row["interval"][0] <= row["change"] <= row["interval"][1]
        assert row["tracking_ratio"] == min(row["linear_tracking"], row["angular_tracking"])
        assert row["void"] is (row["tracking_ratio"] < 0.97)
        assert bool(row["settings"]["constraints"]) is row["constraint"]
    unplanned = written["rows"][0]
    assert (unplanned["penalty"], unplanned["change"], unplanned["tracking_ratio"]) == (0.512, 0.0, 1.0)
    assert unplanned["settings"]["weights"] == {} and unplanned["settings"]["constraints"] == []
    assert set(unplanned["settings"]["parameters"]) == {"posture.target", "posture.mask", "base_height.target"}
    # Ranking, guiding and projecting each change the walk.
    assert len({row["penalty_raw"] for row in written["rows"][:8]}) == 8
    text = page.read_text()
    assert "Table II" in text and "| Joint Pos (N) | no planning |" in text and "N=2 R C" in text
    assert picture.stat().st_size > 0
    assert "Table II" in capsys.readouterr().out


def test_a_report_is_continued_and_its_rows_are_kept(small, tmp_path, runs):
    path = tmp_path / "adaptation.json"
    first = adaptation(small, path, "--objectives", "energy", "--candidates", "2")
    assert runs == ["no planning", "energy N=2", "energy N=2 R", "energy N=2 C", "energy N=2 R C"]
    runs.clear()
    assert adaptation(small, path, "--objectives", "energy", "--candidates", "2") == first and runs == []
    del first["rows"][2]
    path.write_text(json.dumps(first))
    again = adaptation(small, path, "--objectives", "energy", "--candidates", "2")
    assert runs == ["no planning", "energy N=2 R"]
    assert again["rows"][:4] == first["rows"] and len(again["rows"]) == 5
    runs.clear()
    other = ["--objectives", "energy", "--candidates", "2", "--seed", "1"]
    assert cli.main(["evaluate", "adaptation", *small, "--json", str(path), *other]) == 2
    assert json.loads(path.read_text()) == again and not runs


def test_a_row_of_a_preset_that_has_changed_is_measured_again(small, tmp_path, runs):
    path = tmp_path / "adaptation.json"
    first = adaptation(small, path, "--objectives", "energy", "--candidates", "2")
    first["rows"][2]["settings"]["weights"]["energy"] *= 2.0
    path.write_text(json.dumps(first))
    runs.clear()
    again = adaptation(small, path, "--objectives", "energy", "--candidates", "2")
    assert runs == ["no planning", "energy N=2 R"]
    assert again["rows"][-1]["settings"]["weights"] == make_composer().presets["energy"].weights
    assert len(again["rows"]) == 5


def row(objective=ENERGY, **values):
    result = {
        "objective": objective.name, "candidates": 10, "reward": True, "constraint": objective.projection_applies,
        "penalty": 0.5, "change": objective.target, "interval": [-0.5, -0.3], "void": False, "survival": 0.99,
        "tracking_ratio": 0.97, "robots": 100, "penalty_raw": 60.0, "unit": objective.unit,
    }  # fmt: skip
    return {**result, **values}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [({}, "met"), ({"change": -0.39}, "missed"), ({"survival": 0.98}, "missed"),
     ({"void": True, "tracking_ratio": 0.96}, "missed"), ({"change": None, "void": True}, "missed")],
)  # fmt: skip
def test_a_target_is_met_with_change_tracking_and_survival(values, verdict):
    grids = report.grids({"rows": [row(**values)]})
    assert [grid.title for grid in grids][1] == "Targets of N = 10 against no planning"
    assert grids[1].rows[0][-1] == verdict


def test_a_void_penalty_is_in_brackets_and_an_unmeasured_cell_empty():
    rows = [row(void=True), row(OBJECTIVES["joint_velocity"], reward=False)]
    grid = report.grids({"rows": rows})[0]
    assert list(grid.headings) == ["", "N=10 R", "N=10 C"]
    assert grid.rows == [["Joint Vel", "", "0.500"], ["Energy", "(0.500)", ""]]


def test_composed_presets_are_measured_alone_and_together(small, tmp_path, runs, capsys):
    path, page = tmp_path / "compose.json", tmp_path / "compose.md"
    arguments = ["evaluate", "compose", *small, "--candidates", "2", "--json", str(path), "--markdown", str(page),
                 "--pairs", "energy+joint_velocity", "joint_velocity+balance"]  # fmt: skip
    assert cli.main(arguments) == 0
    rows = json.loads(path.read_text())["rows"]
    assert [row["presets"] for row in rows] == [
        ["joint_velocity"], ["energy"], ["balance"], ["joint_velocity", "energy"], ["joint_velocity", "balance"],
    ]  # fmt: skip
    composer = make_composer()
    pair = rows[3]
    both = composer.preset_settings("joint_velocity+energy")
    assert pair["settings"] == {**describe_settings(composer, both), "constraints": []}
    assert {"joint_velocity", "energy"} <= set(pair["settings"]["weights"])
    changes = [pair["penalties"][name]["change"] for name in ("joint_velocity", "energy")]
    assert pair["both_lower"] is (max(changes) < 0.0)
    assert set(pair["penalties"]) == set(OBJECTIVES)
    assert "joint_velocity+energy" in page.read_text()
    capsys.readouterr()
    runs.clear()
    assert cli.main(arguments) == 0 and runs == []
    assert "joint_velocity+balance" in capsys.readouterr().out


def test_pairs_are_of_the_presets_of_table_two():
    assert len(compose.choose_pairs(())) == 15
    assert compose.choose_pairs(("energy+balance",)) == [("balance", "energy")]
    for name in ("energy+energy", "energy", "energy+speed", "energy+low"):
        with pytest.raises(ConfigurationError, match=r"no pairs of presets of Table II: \['energy"):
            compose.choose_pairs((name,))


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"objectives": ("speed",)}, "speed"), ({"objectives": ()}, "objectives"), ({"candidates": ()}, "candidates"),
     ({"candidates": (0,)}, "candidates"), ({"robots": 0}, "robots"), ({"forward": (1.0, 0.5)}, "forward"),
     ({"forward": (0.0, float("nan"))}, "forward"), ({"backend": "tensorrt"}, "backend")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(settings, named):
    with pytest.raises(ConfigurationError, match=named):
        Config(**settings)


def test_groups_of_robots_walk_one_after_the_other(random_artefact, monkeypatch):
    monkeypatch.setattr(walks, "GROUP", 2)
    config = Config(artefact=str(random_artefact), robots=3, ticks=8, threads=1, backend="onnxruntime")
    unplanned = config.unplanned
    assert unplanned.survived.tolist() == [True] * 3
    assert set(unplanned.penalties) == set(OBJECTIVES) and set(unplanned.tracking) == {"linear", "angular"}
    for values in (*unplanned.penalties.values(), *unplanned.tracking.values()):
        assert values.shape == (3,) and np.isfinite(values).all() and len(set(values)) == 3


def test_full_is_the_papers_size():
    config = Config(full=True, demonstrator=None)
    assert (config.robots, config.ticks, config.candidates) == (1000, 3000, (1, 10, 100))
    # No planning, and three numbers of candidates in four kinds, of which N = 1 with neither is no planning itself.
    assert len([cell for cell in config.cells() if isinstance(cell, Cell)]) == 6 * 12


def test_commands_are_forward_in_the_range_and_from_the_seed():
    commands = Config(robots=200, forward=(0.4, 0.6)).commands
    assert commands.shape == (200, 3) and not commands[:, 1:].any()
    assert 0.4 <= commands[:, 0].min() < 0.42 and 0.58 < commands[:, 0].max() <= 0.6
    assert (commands == Config(robots=200, forward=(0.4, 0.6)).commands).all()
    assert (commands != Config(robots=200, forward=(0.4, 0.6), seed=1).commands).any()
