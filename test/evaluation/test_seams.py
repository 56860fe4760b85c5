"""Jumps and rates of plans made by hand."""

import numpy as np
import pytest

from diffusion_mpc_ros.core.types import Plan, RobotState, Timing
from diffusion_mpc_ros.evaluation.seams import SeamRecorder, seam_jump
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
from diffusion_mpc_ros.realtime.action_buffer import ExecutedRow


def plan(start: int, offset: float) -> Plan:
    """Row i holds i / 10 + offset on every joint of the first robot, twice that on the second one's last joint."""
    targets = np.zeros((11, 2, 12))
    targets[:] = (np.arange(11) / 10.0 + offset)[:, None, None]
    targets[:, 1, 11] *= 2.0
    return Plan(start, targets)


def row(plan: Plan, tick: int) -> ExecutedRow:
    return ExecutedRow(plan.joint_targets[tick - plan.start_tick], plan, tick - plan.start_tick)


def test_the_jump_compares_both_plans_at_the_same_tick():
    old, new = plan(0, 0.0), plan(4, 0.5)
    # Tick 7: old row 7 holds 0.7, new row 3 holds 0.3 + 0.5 = 0.8; the second robot's last joint twice that.
    np.testing.assert_allclose(seam_jump(row(old, 6), row(new, 7), 7), [0.1, 0.2])


def test_no_jump_without_two_plans_that_have_a_row():
    old, new = plan(0, 0.0), plan(11, 0.0)
    assert seam_jump(None, row(old, 3), 3) is None
    assert seam_jump(row(old, 10), None, 11) is None
    assert seam_jump(row(old, 3), row(old, 4), 4) is None
    assert seam_jump(row(old, 10), row(new, 11), 11) is None  # rows 0 .. 10 are all that the old one has


class Counting:
    """The plan from tick t holds (100 t + row) / 1000 on every joint."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing

    def plan(self, request):
        rows = (100.0 * request.tick + np.arange(11)) / 1000.0
        return Plan(request.tick, np.tile(rows[:, None, None], (1, request.robots, 12)))


def record(timing: Timing, ticks: int, latency: int) -> SeamRecorder:
    recorder = SeamRecorder(AsynchronousController(Counting(timing), latency_ticks=latency))
    for tick in range(ticks):
        recorder.joint_targets(RobotState.standing(tick, 2), np.zeros((2, 3)))
    return recorder


def test_every_tick_a_seam():
    # D = 0, R = 1: at tick t the row 100 t replaces 100 (t - 1) + 1, 99 more; nine seams in ten ticks, two robots.
    recorder = record(Timing(11, 0, 1), 10, latency=0)
    jump = recorder.jump(np.ones((10, 2), dtype=bool))
    assert jump["seams"] == 18
    assert jump["mean"] == pytest.approx(0.099) and jump["p99"] == pytest.approx(0.099)
    assert recorder.rates(1) == {"command_rate_hz": pytest.approx(50.0), "plan_rate_hz": pytest.approx(50.0)}


def test_robots_that_have_fallen_do_not_count():
    upright = np.ones((10, 2), dtype=bool)
    upright[4:, 1] = False  # seams of the second robot at ticks 1, 2, 3 only
    assert record(Timing(11, 0, 1), 10, latency=0).jump(upright)["seams"] == 9 + 3
    nobody = record(Timing(11, 0, 1), 10, latency=0).jump(np.zeros((10, 2), dtype=bool))
    assert nobody == {"seams": 0, "mean": None, "p99": None}


def test_steps_at_seams_and_within_plans():
    # D = 3, R = 8: within a plan 0.001 a tick; from row 10 of plan 0 (0.010) to row 3 of plan 8 (0.803) 0.793.
    step = record(Timing(11, 3, 8), 14, latency=1).step(np.ones((14, 2), dtype=bool))
    assert step == {"seam": pytest.approx(0.793), "within": pytest.approx(0.001)}
    assert record(Timing(11, 0, 1), 5, latency=0).step(np.ones((5, 2), dtype=bool))["within"] is None


def test_gaps_lower_the_rate_and_are_no_seams():
    # D = 0, R = 11, 4 ticks: plan 0 serves ticks 4 .. 10, plan 11 ticks 15 .. 21: 7 of 11 ticks from tick 11 on.
    recorder = record(Timing(11, 0, 11), 22, latency=4)
    assert recorder.rates(11) == {
        "command_rate_hz": pytest.approx(50.0 * 7 / 11), "plan_rate_hz": pytest.approx(50.0 / 11),
    }  # fmt: skip
    assert recorder.jump(np.ones((22, 2), dtype=bool)) == {"seams": 0, "mean": None, "p99": None}
