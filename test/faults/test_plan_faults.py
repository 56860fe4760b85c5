"""Plans that are changed on their way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from diffusion_mpc_msgs.msg import Plan

from diffusion_mpc_ros.control.plans import check_plan
from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.message_fields import read_plan
from diffusion_mpc_ros.faults import plan_faults

TICK, MARGIN = 100, 0.5


def plan(start_tick: int = TICK) -> Plan:
    targets = np.tile(DEFAULT_JOINT_POS, 11).tolist()
    return Plan(start_tick=start_tick, horizon=11, joint_targets=targets, artefact="a" * 64)


def test_unchanged_plans_are_executed():
    check_plan(read_plan(plan_faults.unchanged(plan())), TICK, None, MARGIN)


@pytest.mark.parametrize("start_tick", range(TICK, TICK + 12))
@pytest.mark.parametrize(
    "fault",
    [
        plan_faults.one_value(math.nan),
        plan_faults.one_value(math.inf),
        plan_faults.out_of_range,
        plan_faults.old_ticks,
    ],
    ids=["NaN", "Inf", "range", "old"],
)
def test_changed_plans_are_refused(fault, start_tick):
    with pytest.raises(PlanError):
        check_plan(read_plan(fault(plan(start_tick))), TICK, None, MARGIN)


def test_wrong_shapes_in_turn():
    shapes = set()
    for start_tick in range(0, 12, 2):
        changed = plan_faults.wrong_shape(plan(start_tick))
        shapes.add((changed.horizon, len(changed.joint_targets)))
    assert shapes == {(11, 131), (10, 120), (12, 132)}


def test_other_artefact_and_future():
    assert plan_faults.other_artefact(plan()).artefact != plan().artefact
    assert plan_faults.future_ticks(plan()).start_tick == TICK + 1000
