"""Numbers and words beside the picture: history, penalty, status."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from robot_states import standing

from diffusion_mpc_ros.core.types import Plan, RewardSettings
from diffusion_mpc_ros.view.history import History
from diffusion_mpc_ros.view.penalty import DEFAULT, Penalty
from diffusion_mpc_ros.view.seen import Commanded, Seen
from diffusion_mpc_ros.view.status import as_html, describe

ZERO = np.zeros(3)


def test_history_keeps_the_newest_and_counts_from_now():
    history = History(2, 3)
    assert all(len(column) == 1 for column in history.columns())
    for time in range(5):
        history.add(float(time), 10.0 * time, np.nan)
    seconds, values, unknown = history.columns()
    assert seconds.tolist() == [-2.0, -1.0, 0.0] and values.tolist() == [20.0, 30.0, 40.0] and np.isnan(unknown).all()


def walked(ticks: range, speed: float) -> Penalty:
    penalty = Penalty()
    for tick in ticks:
        penalty.add(replace(standing(tick), joint_vel=np.full(12, speed)), ZERO)
    return penalty


def test_the_penalty_is_the_terms_own_of_what_is_measured():
    # Twelve joints at 2 rad/s: 12 * 2^2 = 48 rad^2/s^2 at each of the eleven rows.
    assert walked(range(12), 2.0).of("joint_velocity", {}) == pytest.approx(11 * 48.0)
    assert np.isnan(walked(range(11), 2.0).of("joint_velocity", {}))
    # The base at 0.318 m, 0.048 m above the height that is asked for.
    assert walked(range(12), 0.0).of("base_height", {}) == pytest.approx(0.048**2)
    gap = walked(range(12), 2.0)
    gap.add(standing(20), ZERO)
    assert np.isnan(gap.of("joint_velocity", {}))


def test_the_active_objective_is_what_weighs_most_of_what_is_asked_for():
    penalty = walked(range(12), 2.0)
    assert penalty.active(None) == DEFAULT
    assert penalty.active(RewardSettings(1, {"tilt_to_go": 100.0})) == DEFAULT  # nobody measures it
    assert penalty.active(RewardSettings(1, {"align": 1.0, "posture": 1.0, "joint_velocity": 1.0})) == "joint_velocity"
    assert penalty.active(RewardSettings(1, {"align": 1.0, "joint_velocity": 0.0})) == "align"


def test_status_says_mode_fault_and_holder_in_words():
    fault = "tilt <1.2> rad"
    seen = Seen(
        state=standing(),
        state_at=9.5,
        commanded=Commanded(1, "fault", fault, "joy", ZERO),
        commanded_at=9.8,
        plan=Plan(1, np.zeros((11, 12)), plan_time=0.0123, replan_margin=3),
        facts={"command_publisher": {"late_ticks": "2", "ticks": "100"}},
    )
    status = describe(seen, 10.0, 2)
    assert (status.mode, status.fault) == ("fault", fault)
    lines = dict(status.lines)
    assert lines["held by"] == "joy" and lines["plan"] == "12.3 of 60 ms" and lines["late ticks"] == "2 of 100"
    html = as_html(status)
    assert "tilt &lt;1.2&gt; rad" in html and "<1.2>" not in html
    # What was said too long ago is not known any more.
    later = describe(seen, 12.0, 2)
    assert (later.mode, later.fault) == ("not heard", "") and dict(later.lines)["robot"] == "not heard"
