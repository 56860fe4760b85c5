"""Which plans are refused whole."""

import dataclasses

import numpy as np
import pytest

from diffusion_mpc_ros.control.plans import check_plan
from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.types import Plan


def make_plan(start_tick=100, horizon=11, joint=0, row=0, offset=0.0):
    targets = np.repeat(DEFAULT_JOINT_POS[None], horizon, axis=0)
    targets[row, joint] += offset
    return Plan(start_tick, targets)


def test_a_plan_serves_until_its_last_row():
    check_plan(make_plan(100), 110, 3, 0.5)
    with pytest.raises(PlanError, match="100 .. 110 is too old, tick 111"):
        check_plan(make_plan(100), 111, 3, 0.5)


def test_targets_at_the_margin_pass_and_beyond_it_do_not():
    # The FR calf, joint 2: upper limit -0.83776, default -1.5: 0.66224 up to it, 1.16224 to the margin of 0.5.
    check_plan(make_plan(joint=2, row=7, offset=1.162), 100, 3, 0.5)
    with pytest.raises(PlanError, match="FR_calf_joint for -0.3367 rad in row 7"):
        check_plan(make_plan(joint=2, row=7, offset=1.1633), 100, 3, 0.5)


@pytest.mark.parametrize("limits", [JOINT_POS_MIN - 0.51, JOINT_POS_MAX + 0.51])
def test_both_sides_of_every_joint_are_checked(limits):
    for joint in range(12):
        with pytest.raises(PlanError, match="outside"):
            check_plan(make_plan(joint=joint, offset=limits[joint] - DEFAULT_JOINT_POS[joint]), 100, 3, 0.5)


@pytest.mark.parametrize("margin", [None, 3])
def test_a_plan_for_this_timing_or_for_none_that_it_says_passes(margin):
    check_plan(dataclasses.replace(make_plan(), replan_margin=margin), 100, 3, 0.5)


def test_a_plan_for_another_replan_margin_is_refused():
    with pytest.raises(PlanError, match="made for a replan margin D = 1, executed is D = 3; give planner and"):
        check_plan(dataclasses.replace(make_plan(), replan_margin=1), 100, 3, 0.5)


@pytest.mark.parametrize("margin", [0, 1, 3, 10])
def test_a_plan_may_say_its_margin_where_none_is_asked_for(margin):
    check_plan(dataclasses.replace(make_plan(), replan_margin=margin), 100, None, 0.5)


@pytest.mark.parametrize("margin", [-2, 11])
def test_a_margin_that_is_none_of_the_rows_is_refused(margin):
    with pytest.raises(PlanError, match=f"says D = {margin}, that is none of its 11 rows"):
        check_plan(dataclasses.replace(make_plan(), replan_margin=margin), 100, None, 0.5)
