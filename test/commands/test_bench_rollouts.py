"""`bench rollouts`: what it measures and writes; no speed is asserted."""

from __future__ import annotations

import json

import pytest

from diffusion_mpc_ros.commands import bench_rollouts
from diffusion_mpc_ros.core.errors import ConfigurationError


def test_every_case_is_a_row(tmp_path, capsys):
    path = tmp_path / "rollouts.json"
    bench_rollouts.Config(cases=((1, 1, 1), (2, 3, 2)), repeats=2, json=path).conduct()
    report = json.loads(path.read_text())
    assert report["threads"] == 1
    assert [(row["robots"], row["candidates"], row["horizon"]) for row in report["rows"]] == [(1, 1, 1), (2, 3, 2)]
    for row in report["rows"]:
        # The same steps in more time, or in less.
        assert row["ratio"] == pytest.approx(row["steps_per_second"] / row["raw_steps_per_second"])
        # Five physics steps a tick.
        steps = 5 * row["robots"] * row["candidates"] * row["horizon"]
        assert row["steps_per_second"] * row["milliseconds"] * 1e-3 == pytest.approx(steps)
    assert "mujoco.rollout" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [{"cases": ((1, 0, 1),)}, {"threads": 0}, {"repeats": 0}])
def test_nothing_to_measure_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="at least 1"):
        bench_rollouts.Config(**wrong)
