"""The rows of demonstrator and specialists beside Table II: what they are, when they are measured again."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnx
import pytest

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.core.files import file_sha256
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.trajectory import COMMAND, PREVIOUS_ACTION
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation import report
from diffusion_mpc_ros.evaluation.adaptation.policies import PolicyCell, policy_cells
from diffusion_mpc_ros.evaluation.adaptation.walks import WalksExperiment
from diffusion_mpc_ros.evaluation.experiments.adaptation import Config
from diffusion_mpc_ros.policies.demonstrator import DEMONSTRATOR
from diffusion_mpc_ros.policies.gait import START_PHASE
from diffusion_mpc_ros.policies.objectives import OBJECTIVES

ENERGY, VELOCITY = OBJECTIVES["energy"], OBJECTIVES["joint_velocity"]


@pytest.fixture
def specialists(tmp_path):
    """A folder with a specialist for energy: the demonstrator itself."""
    runs = tmp_path / "runs"
    shutil.copytree(model_folder("demonstrator"), runs / "specialist_energy")
    return runs


@pytest.fixture
def evaluate(random_artefact, specialists, tmp_path, monkeypatch):
    """-> the rows of the policies, and the policies' walks that were made for them."""
    walked, score = [], WalksExperiment.score

    def recorded(self, make_controller, label):
        walked.append(label)
        return score(self, make_controller, label)

    monkeypatch.setattr(WalksExperiment, "score", recorded)

    def run(*arguments):
        walked.clear()
        path = tmp_path / "adaptation.json"
        words = [
            "evaluate", "adaptation", "--artefact", str(random_artefact), "--robots", "2", "--ticks", "8", "--threads",
            "1", "--backend", "onnxruntime", "--candidates", "1", "--objectives", "joint_velocity", "energy", "--json",
            str(path), "--specialists", str(specialists), "--markdown", str(tmp_path / "page.md"), *arguments,
        ]  # fmt: skip
        assert cli.main(words) == 0
        rows = json.loads(path.read_text())["rows"]
        return [row for row in rows if "policy" in row], [label for label in walked if " R" not in label]

    return run


def test_the_policies_have_rows_of_their_own(evaluate, tmp_path, capsys):
    rows, _ = evaluate()
    assert [(row["objective"], row["policy"]) for row in rows] == [
        ("joint_velocity", "demonstrator"), ("energy", "demonstrator"), ("energy", "specialist"),
    ]  # fmt: skip
    for row in rows:
        objective = OBJECTIVES[row["objective"]]
        assert row["candidates"] is None and row["reward"] is False and row["constraint"] is False
        assert row["policy_sha256"] == file_sha256(model_folder("demonstrator") / "demonstrator.onnx")
        assert row["penalty"] == pytest.approx(objective.paper * row["penalty_raw"] / row["unplanned_raw"])
        assert row["survival"] == 1.0 and row["settings"]["weights"] == {}
    plain, special = rows[1:]
    # The same policy on the same robots.
    assert special["penalty_raw"] == plain["penalty_raw"] != plain["unplanned_raw"]
    out, page = capsys.readouterr().out, (tmp_path / "page.md").read_text()
    assert "no ceiling for joint_velocity:" in out and "train specialist --objective joint_velocity" in out
    assert "| demonstrator | specialist |" in page and "## The ceiling" in page
    every = json.loads((tmp_path / "adaptation.json").read_text())["rows"]
    planned = [row for row in every if "policy" not in row]
    assert set(rows[0]) - set(planned[0]) == {"policy", "policy_sha256"} and not set(planned[0]) - set(rows[0])
    assert len(planned) == 8 and all(row["candidates"] == 1 for row in planned)


def test_a_policy_that_has_changed_is_measured_again(evaluate, specialists):
    first, walked = evaluate()
    assert walked == ["no planning", "joint_velocity N=1 C", "energy N=1 C", "demonstrator", "energy specialist"]
    again, walked = evaluate()
    assert again == first and walked == []
    card = specialists / "specialist_energy" / "card.json"
    model = card.parent / "demonstrator.onnx"
    # The same policy in another file.
    changed = onnx.load(model)
    changed.doc_string = "another"
    onnx.save_model(changed, model)
    text = json.loads(card.read_text())
    card.write_text(json.dumps({**text, "files": {**text["files"], model.name: file_sha256(model)}}))
    rows, walked = evaluate()
    assert walked == ["no planning", "energy specialist"] and len(rows) == 3
    assert rows[2]["policy_sha256"] == file_sha256(model) and rows[:2] == first[:2]
    # What is not given any more stays as it was measured.
    assert evaluate("--demonstrator", "None") == (rows, [])


def test_a_policy_is_called_at_every_tick_with_what_that_tick_shows(random_artefact):
    calls = []

    def policy(observation, gait, clock):
        calls.append((observation, gait.columns(), clock))
        return np.tile(DEFAULT_JOINT_POS + 0.001 * len(calls), (len(observation), 1))

    walks = Config(artefact=str(random_artefact), robots=3, ticks=6, threads=1, backend="onnxruntime")
    cell = PolicyCell(ENERGY, DEMONSTRATOR, policy)
    scores = cell.scores(walks, RewardSettings())
    assert len(calls) == 6 and scores.survived.all()
    for tick, (observation, _, clock) in enumerate(calls):
        np.testing.assert_array_equal(observation[:, COMMAND], walks.commands)
        np.testing.assert_allclose(observation[:, PREVIOUS_ACTION], np.tile(DEFAULT_JOINT_POS + 0.001 * tick, (3, 1)))
        # The default gait: 2.2 Hz, 0.02 s, from where a standing robot's clock waits.
        angle = 2.0 * np.pi * (START_PHASE + 0.044 * tick)
        np.testing.assert_allclose(clock, np.tile([np.sin(angle), np.cos(angle)], (3, 1)))
    assert cell.scores(walks, RewardSettings()) is scores and len(calls) == 6


def test_what_is_not_a_policy_is_refused(specialists, tmp_path):
    with pytest.raises(ConfigurationError, match="nobody"):
        policy_cells([ENERGY], "nobody", tmp_path)
    (specialists / "specialist_energy" / "card.json").unlink()
    with pytest.raises(ArtefactError, match="specialist_energy"):
        policy_cells([ENERGY], None, specialists)


def row(**values):
    result = {
        "objective": "energy", "candidates": 10, "reward": True, "constraint": False, "penalty": 0.774 * 0.7,
        "change": -0.3, "interval": [-0.32, -0.28], "void": False, "survival": 1.0, "tracking_ratio": 1.0,
        "robots": 100, "penalty_raw": 70.0, "unit": "W",
    }  # fmt: skip
    return {**result, **values}


def policy_row(name, change, **values):
    result = row(candidates=None, reward=False, policy=name, change=change, penalty=0.774 * (1.0 + change))
    return {**result, **values}


@pytest.mark.parametrize(
    ("rows", "best", "share"),
    [
        # (100 - 70) / (100 - 40) W
        ([row(), policy_row("specialist", -0.6)], "N=10 R", "50%"),
        ([row(), row(constraint=True, change=-0.45, penalty=0.4257), policy_row("specialist", -0.6)],
         "N=10 R C", "75%"),
        ([row(), row(constraint=True, change=-0.45, penalty=0.4257, void=True), policy_row("specialist", -0.6)],
         "N=10 R", "50%"),
        ([row(), row(constraint=True, change=-0.45, penalty=0.4257, survival=0.98), policy_row("specialist", -0.6)],
         "N=10 R", "50%"),
        ([row(), row(candidates=100, change=-0.45, penalty=0.4257), policy_row("specialist", -0.6)], "N=10 R", "50%"),
        # A penalty that rose reached less than nothing; a specialist that is void, or no better, says nothing.
        ([row(change=0.15, penalty=0.8901), policy_row("specialist", -0.6)], "N=10 R", "-25%"),
        ([row(), policy_row("specialist", -0.6, void=True)], "N=10 R", "-"),
        ([row(), policy_row("specialist", 0.1)], "N=10 R", "-"),
        ([row(candidates=1), policy_row("specialist", -0.6)], "-", "-"),
    ],
)  # fmt: skip
def test_the_share_of_the_ceiling_is_that_of_the_best_cell_that_counts(rows, best, share):
    grid = next(grid for grid in report.grids({"rows": rows}) if grid.title.startswith("The ceiling"))
    (line,) = grid.rows
    assert (line[3], line[-1]) == (best, share)


def test_the_policies_stand_behind_the_planners_columns():
    rows = [policy_row("specialist", -0.6, void=True), policy_row("demonstrator", -0.1), row()]
    table, *_, details = report.grids({"rows": rows})
    assert list(table.headings) == ["", "N=10 R", "demonstrator", "specialist"]
    assert table.rows == [["Energy", "0.542", "0.697", "(0.310)"]]
    assert [line[1] for line in details.rows] == ["N=10 R", "demonstrator", "specialist"]
    assert not [grid for grid in report.grids({"rows": rows[1:]}) if grid.title.startswith("The ceiling")]
