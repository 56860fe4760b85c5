"""``diffusion-mpc bench delay`` without the processes: settings, the table, files, the exit status."""

import json

import numpy as np
import pytest
from rich.console import Console

from diffusion_mpc_ros import bringup, cli
from diffusion_mpc_ros.commands import delay, launch
from diffusion_mpc_ros.commands.delay import Config
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.realtime import wire_delay
from diffusion_mpc_ros.realtime.wire_delay import Delays, WireRecord

TIMING = Timing(11, 1, 1)
WALK = {"fell": False, "fault": "", "duration": 6.0, "plan_ms": {"p50": 8.0, "p99": 9.0}, "max_lateness_ms": 1.0}
LISTENER = {"realtime": True, "clock_resolution_ns": 1.0, "lowstate_lag_ms": None, "lowcmd_lag_ms": None}


def measured(planned, reflex, **walk):
    """What a walk with these delays [ms] would have given."""
    delays = Delays(np.array(planned) * 1e-3, np.array(reflex) * 1e-3, np.array([0.02]), 3, 3, 1, 0, 0, 4, 0)
    numbers = wire_delay.report(delays, TIMING)
    return delays, {"artefact": "ab" * 32, **numbers, "listener": LISTENER, "walk": {**WALK, **walk}}


@pytest.fixture
def after(monkeypatch):
    """A function that lets the walk be over with what it is given; the environment is put back."""
    monkeypatch.setattr(delay.os, "environ", dict(delay.os.environ))
    monkeypatch.setattr(delay, "interrupt_on_signals", lambda: None)

    def outcome(result):
        monkeypatch.setattr(delay, "_walk", lambda *_: result)

    return outcome


def timing(*arguments, **options):
    parameters = launch.parse_parameters(Config(parameters=arguments, **options).assignments())
    return delay.timing_of(bringup.BringupOptions(parameters=parameters))


def test_the_options_set_all_nodes():
    assert timing() == Timing(11, 3, 2)
    assert timing(replan_margin=1, replan_interval=1) == Timing(11, 1, 1)
    assert timing(replan_margin=0) == Timing(11, 0, 2)
    assert timing("planner.replan_margin=1") == Timing(11, 1, 2)
    with pytest.raises(ConfigurationError, match="twice"):
        timing("planner.replan_interval=4", replan_interval=1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--replan-margin", "1", "--parameters", "command_publisher.replan_margin=2"], "planner.replan_margin"),
        (["--replan-margin", "11"], "0 <= D < H"),
        (["--replan-interval", "9"], "R <= H - D = 8"),
        (["--parameters", "planner.replan_interval=often"], "a whole number"),
        (["--duration", "0"], "duration"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_starts(arguments, reason, capsys, after):
    after(None)
    assert cli.main(["bench", "delay", *arguments]) == 2
    assert reason in capsys.readouterr().err


def test_the_report_is_written_and_shown(after, tmp_path, capsys):
    after(measured([21.0, 21.5, 22.0], [1.0, 1.5, 2.0, 2.5]))
    file, picture = tmp_path / "new" / "delay.json", tmp_path / "delay.png"
    options = ["--replan-margin", "1", "--replan-interval", "1", "--json", str(file), "--plot", str(picture)]
    assert cli.main(["bench", "delay", *options]) == 0
    report = json.loads(file.read_text())
    assert report["machine"]["cores"] >= 1 and report["load_average"] >= 0.0 and len(report["artefact"]) == 64
    assert report["settings"]["replan_margin"] == report["settings"]["replan_interval"] == 1
    assert report["beyond_buffer_ms"]["p50"] == pytest.approx(1.5) and report["planned_ms"]["count"] == 3
    assert report["plans"]["missed"] == 1 and report["reflex_ms"]["max"] == pytest.approx(2.5)
    assert picture.stat().st_size > 0
    output = capsys.readouterr().out
    assert "D = 1, R = 1" in output and "beyond the buffer" in output and "1 missed their tick" in output


@pytest.mark.parametrize(
    "result",
    [
        measured([21.0], [1.0], fell=True),
        measured([21.0], [1.0], fault="tilt 1.2 [rad] at tick 7"),
        measured([], [1.0]),
        measured([21.0], []),
        None,
    ],
    ids=["fell", "fault", "no plan", "no LowState", "a process died"],
)
def test_a_walk_that_measured_nothing_or_failed_is_a_failure(result, after):
    after(result)
    assert cli.main(["bench", "delay"]) == 1


def test_nothing_measured_can_be_shown(capsys):
    report = measured([], [])[1]
    settings = {"replan_margin": 1, "replan_interval": 1}
    report |= {"settings": settings, "machine": {"processor": "a CPU", "cores": 2}, "load_average": 0.0}
    delay.print_report(report, Console(width=160))
    assert "a CPU" in capsys.readouterr().out


def test_the_listeners_lag_is_that_of_the_window():
    stamps = np.array([0, 10, 20, 30]) * 10**6
    none = np.zeros(0, dtype=np.int64)
    wire = WireRecord(np.arange(4), stamps, stamps + np.array([1, 2, 4, 8]) * 10**5, none, none, np.zeros((0, 12)))
    lags = delay.listener_lag(wire, 10 * 10**6, 30 * 10**6)
    # 0.2 and 0.4 ms; those before and after the window do not count.
    assert (lags["lowstate_lag_ms"]["count"], lags["lowstate_lag_ms"]["min"]) == (2, pytest.approx(0.2))
    assert lags["lowstate_lag_ms"]["max"] == pytest.approx(0.4)
    assert lags["lowcmd_lag_ms"] is None


def test_a_histogram_holds_every_sample():
    # 98 x 1.05 ms and 2 x 50 ms: p99 is 50 ms, but with 3 of 1000 it is not, and they go into the last bin.
    for short, long in ((98, 2), (997, 3)):
        outline = delay.histogram(np.array([1.05e-3] * short + [50e-3] * long))
        counts = [count for _, count in outline[::2]]
        assert sum(counts) == short + long and counts[10] == short
    assert counts[-1] == 3 and outline[-1][0] == pytest.approx(1.7)
    # The bins begin at zero, or below where delays do.
    assert delay.histogram(np.array([1e-3]))[0] == (0.0, 0.0)
    assert delay.histogram(np.array([-0.25e-3, 1e-3]))[0] == (pytest.approx(-0.3), 1.0)
    assert delay.histogram(np.zeros(0)) == []
