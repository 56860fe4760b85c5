"""What an endurance run counts, and that it stays small."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diffusion_mpc_ros.commands import soak
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.faults.monitor import Sent
from diffusion_mpc_ros.faults.soak_statistics import Histogram, SoakStatistics


def sent(tick: int, lateness: float = 0.0, mode: Mode = Mode.WALKING, from_plan: bool = True) -> Sent:
    return Sent(0.0, tick, mode, "", from_plan, lateness)


def test_histogram_agrees_with_numpy():
    times = np.random.default_rng(0).gamma(2.0, 4e-3, 10_000)
    histogram = Histogram()
    for time in times:
        histogram.add(float(time))
    for share in (0.5, 0.9, 0.99):
        assert histogram.percentile(share) == pytest.approx(np.quantile(times, share), abs=2e-4)
    assert histogram.maximum == times.max()


def test_histogram_takes_any_time():
    histogram = Histogram()
    assert histogram.percentile(0.5) == 0.0
    for time in (-1.0, 0.0, 1e6):
        histogram.add(time)
    assert histogram.counts.sum() == 3 and histogram.maximum == 1e6


def test_late_and_skipped_ticks():
    statistics = SoakStatistics()
    # Ticks 3 and 4 are missing; 6 ms are late, 4 ms are not; from 9 the clock begins anew, then jumps: neither counts.
    for tick, lateness in ((1, 0.0), (2, 0.006), (5, 0.004), (6, 0.0), (9000, 0.0), (1, 0.0), (2, 0.0)):
        statistics.command(sent(tick, lateness))
    report = statistics.report(10.0)
    assert report["commands"] == 7
    assert report["late"] == 1 and report["skipped_ticks"] == 2 and report["misses"] == 3
    assert report["lateness_ms"]["max"] == 6.0


def test_shares_count_walking_only():
    statistics = SoakStatistics()
    for tick, (mode, from_plan) in enumerate([(Mode.STANDING, False), (Mode.WALKING, True), (Mode.WALKING, False)]):
        statistics.command(sent(tick, mode=mode, from_plan=from_plan))
    report = statistics.report(1.0)
    assert report["walking_share"] == pytest.approx(2 / 3, abs=1e-4) and report["plan_followed"] == 0.5


def test_growth_is_fitted_after_the_warm_up():
    statistics = SoakStatistics()
    # 100 MB in the first five minutes, then 0.6 MB per ten minutes.
    for time in range(0, 3600, 10):
        statistics.sample(time, {"planner": min(time, 300) / 3.0 + 1e-3 * max(time - 300, 0), "relay": 50.0})
    growth = statistics.growth(3600.0)
    assert growth["planner"] == pytest.approx(0.6, abs=1e-3) and growth["relay"] == pytest.approx(0.0, abs=1e-3)


def test_lateness_of_a_sample_is_since_the_one_before():
    statistics = SoakStatistics()
    statistics.command(sent(1, 0.003))
    statistics.sample(10.0, {})
    statistics.command(sent(2, 0.001))
    statistics.sample(20.0, {})
    assert [sample.lateness_ms for sample in statistics.samples] == [3.0, 1.0]


def test_checkpoint_is_whole_and_another_run_is_not_overwritten(tmp_path):
    config = soak.Config(json=tmp_path / "results" / "soak.json")
    config.check_target({"seed": 0})
    statistics = SoakStatistics()
    statistics.event("fall", 12.0, "")
    for duration in (60.0, 120.0):
        config.write({"seed": 0, **statistics.report(duration)})
    written = json.loads(config.json.read_text())
    assert (written["duration_s"], written["events"]) == (120.0, {"fall": 1})
    assert list(config.json.parent.iterdir()) == [config.json]
    config.check_target({"seed": 0})
    with pytest.raises(ConfigurationError, match="seed 0 there, 1 now"):
        config.check_target({"seed": 1})


def test_the_table_and_the_plot_show_the_figures(tmp_path, capsys):
    statistics = SoakStatistics()
    for time in range(0, 600, 10):
        statistics.sample(time, {"planner": 100.0 + 1e-3 * time})
    report = {**statistics.report(600.0), "unsafe_commands": 0, "unsafe": {}}
    lines = dict(soak.grid(report).rows[:-1])
    assert lines["unsafe commands"] == "0 " and lines["misses"] == "0 (0 late, 0 skipped)"
    assert soak.grid(report).rows[-1] == ("memory growth", "planner +0.60 MB per 10 min")
    soak._plot(report, tmp_path / "new" / "soak.png")
    assert (tmp_path / "new" / "soak.png").stat().st_size > 0
