"""``evaluate execution`` and ``evaluate caching``: success by hand, the commands on an untrained artefact, reports."""

import json

import numpy as np
import pytest

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.experiments import caching, execution
from diffusion_mpc_ros.evaluation.experiments.execution import (
    LOOPS,
    CommandStretch,
    fixed_latency,
    score_segment,
    ticks_of,
)
from diffusion_mpc_ros.evaluation.planning import timing_of
from diffusion_mpc_ros.policies.closed_loop import WalkScores

SEGMENT = CommandStretch("turning", (0.5, 0.0, 1.0), 150)
LOOP = {loop.name: loop for loop in LOOPS}


def walked(velocity: np.ndarray) -> WalkScores:
    """Scores of robots with ``velocity (ticks, B, 3)``, NaN after a fall, under the segment's command."""
    error = np.abs(velocity - SEGMENT.command)
    others = dict.fromkeys(("base_height", "torque", "power", "joint_vel_squared"), error[..., 0])
    return WalkScores(np.linalg.norm(error[..., :2], axis=-1), error[..., 2], velocity=velocity, **others)


def test_success_by_hand():
    velocity = np.tile(np.array(SEGMENT.command), (250, 6, 1))
    velocity[:125] = 9.0  # the segment begins at tick 50, what counts of it at tick 50 + 150 - 75 = 125
    velocity[200:] = 9.0  # and ends before tick 200
    velocity[125:200:2, 1, 0] += 0.5  # sways; (38 x 0.5) / 75 = 0.2533 in the mean is too much
    velocity[125:163, 2, 2] -= 0.3  # turns less; (38 x 0.3) / 75 = 0.152 is within the bound
    velocity[125:200, 3, :2] += [0.15, 0.15]  # each within 0.2, together 0.212
    velocity[180:, 4] = np.nan  # falls in the segment
    velocity[30:, 5] = np.nan  # fell before
    result = score_segment(walked(velocity), SEGMENT, 50)
    assert (result["success"], result["survived"], result["of"]) == (2, 4, 6)
    # Planar, tick by tick: 0, 0.2533, 0 and 0.2121 of the four that stand; yaw rate: 0.152 of one of them.
    assert result["velocity_error"] == pytest.approx((0.25333 + 0.21213) / 4, abs=1e-5)
    assert result["yaw_rate_error"] == pytest.approx(0.152 / 4, abs=1e-6)
    assert result["mean_velocity"][2] == pytest.approx(1.0 - 0.152 / 4)


def test_nobody_stands():
    result = score_segment(walked(np.full((250, 2, 3), np.nan)), SEGMENT, 50)
    assert result["success"] == result["survived"] == 0
    assert result["velocity_error"] is result["yaw_rate_error"] is result["mean_velocity"] is None


@pytest.mark.parametrize(("latency", "ticks"), [(0.0, 0), (0.1, 1), (20.0, 1), (21.0, 2), (77.0, 4), (198.0, 10)])
def test_a_latency_in_whole_ticks(latency, ticks):
    assert ticks_of(latency) == ticks


def test_the_papers_rows():
    sampling = {name: loop.sampling(candidates=10, seed=0) for name, loop in LOOP.items()}
    timings = {name: timing_of(11, loop.delay, loop.replan) for name, loop in LOOP.items()}
    timings = {name: (timing.replan_margin, timing.replan_interval) for name, timing in timings.items()}
    assert [timings[name] for name in "ABCDE"] == [(0, 11), (0, 11), (0, 11), (3, 8), (3, 8)]
    assert timings["D1R1-held"] == timings["D1R1-free"] == (1, 1)
    assert [sampling[name].cached_steps for name in "ABCDE"] == [0, 7, 0, 7, 7]
    assert (sampling["C"].sampler, sampling["C"].steps) == ("ddim", 3)
    assert sampling["D"].refresh_ticks > 10**6 > sampling["E"].refresh_ticks
    assert sampling["D"].command_tolerance > 10.0 > sampling["E"].command_tolerance
    held = {name for name, loop in LOOP.items() if loop.hold_committed}
    assert held == {"D1R1-held", "D3R2-held", "D3R8-held"}


@pytest.mark.parametrize("mode", ["fast", "-1", "nan", "inf", ""])
def test_an_unknown_latency_is_refused_with_the_valid_ones(mode):
    with pytest.raises(ConfigurationError, match="valid are measured, paper, zero"):
        execution.Config(latency=(mode,))
    assert [fixed_latency(known) for known in ("zero", "7.5", "paper", "measured")] == [0.0, 7.5, None, None]


def test_unknown_rows_and_no_trials_are_refused():
    with pytest.raises(ConfigurationError, match=r"unknown rows \['F'\]; there are \['A', 'B'"):
        execution.Config(rows=("A", "F"))
    with pytest.raises(ConfigurationError, match="trials must be at least 1, got 0"):
        execution.Config(trials=0)
    with pytest.raises(ConfigurationError, match="as many delays as replans"):
        caching.Config(delays=(1,))
    with pytest.raises(ConfigurationError, match="robots must be at least 1"):
        caching.Config(robots=0)
    with pytest.raises(ConfigurationError, match="commands must be at least 1"):
        caching.Config(commands=())


@pytest.mark.real_time  # it measures latencies
def test_the_command_on_an_untrained_artefact(random_artefact, tmp_path, monkeypatch, capsys):
    short = tuple(CommandStretch(segment.name, segment.command, 76) for segment in execution.WALKED)
    monkeypatch.setattr(execution, "WALKED", short)
    file, page = tmp_path / "results" / "execution.json", tmp_path / "execution.md"
    options = ["--artefact", str(random_artefact), "--trials", "2", "--threads", "1", "--plans", "3"]
    run = ["evaluate", "execution", *options, "--json", str(file), "--markdown", str(page), "--rows"]
    assert cli.main([*run, "E", "D1R1-held", "--latency", "measured", "paper"]) == 0
    report = json.loads(file.read_text())
    assert report["artefact"] == load(random_artefact).identity and report["machine"]["cores"] >= 1
    rows = {(row["row"], row["latency_mode"]): row for row in report["rows"]}
    assert list(rows) == [("E", "measured"), ("D1R1-held", "measured"), ("E", "paper")]
    assert rows["E", "paper"]["latency_ms"] == {"p50": 21, "p99": None}
    assert rows["E", "paper"]["latency_ticks"] == 2
    measured = rows["E", "measured"]
    assert 0.0 < measured["latency_ms"]["p50"] <= measured["latency_ms"]["p99"]
    assert measured["latency_ticks"] == ticks_of(measured["latency_ms"]["p99"])
    assert measured["measured_on"] == report["machine"] and rows["E", "paper"]["measured_on"] is None
    assert measured["step"]["within"] > 0.0 and measured["step"]["seam"] > 0.0
    # 2 of 3 ticks are early enough for row 3 of every plan, so that every tick is from a plan.
    assert rows["E", "paper"]["command_rate_hz"] == pytest.approx(50.0)
    assert rows["E", "paper"]["segments"]["backward"]["of"] == 2
    text = page.read_text()
    assert "## Table VI, the paper's latency" in text and "50.0 (50.0)" in text and "(✓)" in text
    assert "Beyond the paper" in capsys.readouterr().out

    # The second run keeps the rows, also when it asks for others beside them.
    monkeypatch.setattr(execution.Config, "run", lambda self, cell: {**measured, **self.labels(cell)})
    assert cli.main([*run, "E", "D", "--latency", "paper"]) == 0
    again = json.loads(file.read_text())["rows"]
    assert again[:3] == report["rows"] and [row["row"] for row in again] == ["E", "D1R1-held", "E", "D"]
    # So does a run on another machine.
    monkeypatch.setattr(execution, "describe_machine", lambda: {"processor": "another", "cores": 9})
    assert cli.main([*run, "B", "--latency", "paper"]) == 0
    assert json.loads(file.read_text())["rows"][:4] == again
    assert json.loads(file.read_text())["machine"]["cores"] == 9
    # Other settings are refused, and the file is left as it is.
    before = file.read_text()
    assert cli.main([*run, "E", "--latency", "paper", "--seed", "12"]) == 2
    assert file.read_text() == before
    message = capsys.readouterr().err
    assert f"{file} is a report of another run (config.seed " in message and " there, 12 now)" in message
    assert "name another file, or remove it" in message


def test_another_file_is_not_overwritten(random_artefact, tmp_path, capsys):
    file = tmp_path / "walk.json"
    for content in ('{"rows": []}', "[]", "no JSON"):
        file.write_text(content)
        options = ["--artefact", str(random_artefact), "--json", str(file)]
        assert cli.main(["evaluate", "execution", *options]) == 2
        assert "no report of `evaluate execution`" in capsys.readouterr().err
        assert file.read_text() == content


def test_caching_on_an_untrained_artefact(random_artefact, tmp_path, capsys):
    file, page = tmp_path / "caching.json", tmp_path / "caching.md"
    options = ["--artefact", str(random_artefact), "--robots", "1", "--ticks", "60", "--steps", "3", "--threads", "1"]
    commands = ["--commands", "0.5", "0", "0", "0", "0", "0"]
    assert cli.main(["evaluate", "caching", *options, *commands, "--json", str(file), "--markdown", str(page)]) == 0
    rows = json.loads(file.read_text())["rows"]
    assert len(rows) == 2 * (2 + 4 + 1)  # timings x (cold, cached, all steps)
    assert {(row["delay"], row["replan"]) for row in rows} == {(1, 1), (3, 2)}
    for row in rows:
        assert [entry["command"] for entry in row["commands"]] == [[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]
        assert row["survival"] == np.mean([entry["survival"] for entry in row["commands"]])
        assert row["jump"]["seams"] > 0
    assert "3 steps, cached ddim, no refresh" in page.read_text()
    assert "D = 3, R = 2" in capsys.readouterr().out


def test_cached_steps_leave_n_to_do():
    cells = caching.variants((3,), 10)
    options = [cell.sampling(10, candidates=1, seed=0) for cell in cells]
    assert [(o.steps - o.cached_steps, o.cached_steps) for o in options] == [(3, 0)] * 2 + [(3, 7)] * 4 + [(10, 0)]
    with pytest.raises(ConfigurationError, match="fewer than the artefact's K = 10"):
        caching.variants((10,), 10)


def test_what_works():
    cold = {"survival": 0.9, "jump": {"mean": 0.1}}
    assert caching.works({"survival": 0.9, "jump": {"mean": 0.09}}, cold)
    assert not caching.works({"survival": 0.89, "jump": {"mean": 0.09}}, cold)
    assert not caching.works({"survival": 1.0, "jump": {"mean": 0.1}}, cold)
    assert not caching.works({"survival": 1.0, "jump": {"mean": None}}, cold)
