"""`evaluate sampling`: methods of dial_mpc side by side; what a row says."""

from __future__ import annotations

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.experiments.sampling import Config


def test_every_method_walks_at_every_budget_and_robots_the_same_walk_again(tmp_path, capsys):
    options = {
        "methods": ("dial_mpc", "mppi_explore"),
        "budgets": ((8, 2),),
        "commands": ((0.5, 0.0, 0.0),),
        "ticks": 6,
    }
    config = Config(**options, json=tmp_path / "sampling.json")
    assert config.conduct() == 0
    rows = config.measure()["rows"]
    assert [(row["method"], row["samples"], row["iterations"]) for row in rows] == [
        ("dial_mpc", 8, 2),
        ("mppi_explore", 8, 2),
    ]
    assert all(row["survival"] == 1.0 and row["seconds_per_second"] > 0.0 for row in rows)
    assert rows[0]["velocity_error"] != rows[1]["velocity_error"]
    again = Config(**options).measure()["rows"]
    timeless = [{name: value for name, value in row.items() if name != "seconds_per_second"} for row in rows]
    assert timeless == [{name: row[name] for name in timeless[0]} for row in again]
    assert "mppi_explore" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "message"), [({"methods": ("sqp",)}, "unknown method 'sqp'; there is dial_mpc"), ({"ticks": 0}, "ticks")]
)
def test_what_cannot_be_walked_is_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        Config(**wrong)
