"""The numbers of the walking report, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from diffusion_mpc_ros.realtime.measurement import (
    CommandSample,
    MeasurementError,
    Recording,
    TruthSample,
    Window,
    gait,
    report,
)

COMMAND = np.array([0.5, 0.0, 0.0])


def truth(time, vx=0.5, vy=0.0, height=0.3, tilt=0.0):
    return TruthSample(time, np.array([vx, vy, 0.0]), 0.0, height, tilt, 0.0)


def recording(truths, commands):
    plans = [(time, 0.010) for time in (0.0, 0.5, 0.9)]
    return Recording(list(truths), list(commands), plans, [(0.0, 4.0), (0.5, 8.0)], [(-0.1, COMMAND)])


def commands(ticks, lateness=0.0):
    return [CommandSample(0.02 * tick, 0.02 * tick, tick, lateness, True) for tick in ticks]


def test_rate_late_and_missing_ticks():
    samples = commands([0, 1, 2, 4, 5])
    samples[1] = CommandSample(0.02, 0.02, 1, 0.006, False)
    result = report(recording([truth(0.0), truth(0.5)], samples), Window(0.0, 1.0), Window(0.0, 1.0))
    # Four intervals over 0.1 s; tick 3 was never sent, tick 1 was sent 6 ms late: two of six.
    assert result["command_rate_hz"] == pytest.approx(40.0)
    assert (result["late_ticks"], result["ticks"]) == (2, 6)
    assert result["plan_followed"] == pytest.approx(4 / 5)
    assert result["plan_ms"] == {"p50": pytest.approx(10.0), "p99": pytest.approx(10.0)}


def test_velocity_error_and_tracking_score():
    samples = recording([truth(0.0, 0.5, 0.3), truth(0.5, 0.1, 0.0)], commands(range(3)))
    result = report(samples, Window(0.0, 1.0), Window(0.0, 1.0))
    # |(0, .3)| = .3 and |(-.4, 0)| = .4: mean .35; (exp(-.09/.25) + exp(-.16/.25)) / 2.
    assert result["velocity_error"] == pytest.approx(0.35)
    assert result["tracking_score"] == pytest.approx((np.exp(-0.36) + np.exp(-0.64)) / 2)
    assert result["mean_squared_joint_velocity"] == pytest.approx(6.0)


def test_the_error_is_from_what_was_asked_for_at_the_time():
    samples = recording([truth(0.0, 0.5), truth(0.5, 0.5), truth(0.7, 0.5)], commands(range(3)))
    samples.asked.append((0.5, np.array([0.2, 0.4, 0.0])))
    # 0 under the first command, |(.3, -.4)| = .5 twice under the second.
    assert report(samples, Window(0.0, 1.0), Window(0.0, 1.0))["velocity_error"] == pytest.approx(1.0 / 3.0)


@pytest.mark.parametrize(
    ("sample", "fell"), [(truth(0.2), False), (truth(0.2, height=0.09), True), (truth(0.2, tilt=1.1), True)]
)
def test_a_fall_is_tilt_or_height_while_walking(sample, fell):
    lying_before = truth(-1.0, height=0.05)
    samples = recording([lying_before, truth(0.0), sample, truth(0.5)], commands(range(3)))
    assert report(samples, Window(0.0, 1.0), Window(0.0, 1.0))["fell"] is fell


def test_only_the_window_counts():
    samples = recording([truth(0.0), truth(0.4), truth(0.5, 9.0), truth(0.6, 9.0)], commands(range(30)))
    samples.joint_vel = [(0.0, 1.0), (0.4, 1.0), (0.5, 99.0), (0.6, 99.0)]
    result = gait(samples, Window(0.0, 0.5))
    assert result["mean_vx"] == pytest.approx(0.5)
    assert result["mean_squared_joint_velocity"] == pytest.approx(1.0)


def test_nothing_received_is_named():
    with pytest.raises(MeasurementError, match="joint_command"):
        report(Recording(), Window(0.0, 1.0), Window(0.0, 1.0))
