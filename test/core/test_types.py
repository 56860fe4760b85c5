"""Stamped values refuse what does not fit, in words."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import JointOrderError, PlanError, TimingError
from diffusion_mpc_ros.core.types import JointCommand, Plan, PlanRequest, RewardSettings, RobotState, Timing


@given(st.integers(-2, 20), st.integers(-2, 20), st.integers(-2, 20))
def test_timing_is_accepted_exactly_when_the_contract_holds(horizon, margin, interval):
    fits = 0 <= margin < horizon and 1 <= interval <= horizon - margin
    if fits:
        Timing(horizon, margin, interval)
    else:
        with pytest.raises(TimingError, match="is needed"):
            Timing(horizon, margin, interval)


def test_plan_time_must_fit_the_margin():
    # D = 3: 60 ms; D = 0 counts as one tick: 20 ms.
    Timing(11, 3, 8).check_plan_time(0.060)
    Timing(11, 0, 1).check_plan_time(0.020)
    with pytest.raises(TimingError, match="61.0 ms is over"):
        Timing(11, 3, 8).check_plan_time(0.061)
    with pytest.raises(TimingError):
        Timing(11, 3, 8).check_plan_time(float("nan"))


@pytest.mark.parametrize("targets", [np.zeros((11, 11)), np.zeros(12), np.full((11, 12), np.nan)])
def test_bad_plans_are_refused(targets):
    with pytest.raises(PlanError):
        Plan(0, targets)


def test_a_plan_before_time_is_refused():
    with pytest.raises(PlanError, match="-1"):
        Plan(-1, np.zeros((11, 12)))


STANDING = RobotState.standing(tick=5, robots=2)


@pytest.mark.parametrize(
    "told", [{"reward": np.nan}, {"plan_time": np.inf}, {"facts": {"level": np.nan}}, {"command": np.full(3, np.nan)}]
)
def test_a_plan_that_tells_what_is_not_finite_is_refused(told):
    with pytest.raises(PlanError, match="for tick 3 .*not finite"):
        Plan(3, np.zeros((11, 12)), **told)


def test_a_request_is_for_so_many_robots():
    request = PlanRequest(STANDING, np.zeros((2, 3)), RewardSettings(), np.zeros((3, 2, 12)))
    assert (request.tick, request.robots) == (5, 2)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(RobotState) if field.name != "tick"])
def test_a_request_from_a_state_that_does_not_fit_is_refused(field):
    values = getattr(STANDING, field)
    for wrong in (values[:1], values[None], np.full(values.shape, np.nan)):
        state = dataclasses.replace(STANDING, **{field: wrong})
        with pytest.raises(PlanError, match="request for tick 5: finite numbers of shape"):
            PlanRequest(state, np.zeros((2, 3)), RewardSettings())


@pytest.mark.parametrize("command", [np.zeros(3), np.zeros((1, 3)), np.full((2, 3), np.inf)])
def test_a_request_with_a_command_that_does_not_fit_is_refused(command):
    with pytest.raises(PlanError, match=r"velocity command of the request for tick 5: .* shape \(2, 3\) are needed"):
        PlanRequest(STANDING, command, RewardSettings())


@pytest.mark.parametrize("committed", [np.zeros((3, 12)), np.zeros((3, 1, 12)), np.full((3, 2, 12), np.nan)])
def test_a_request_with_committed_actions_that_do_not_fit_is_refused(committed):
    with pytest.raises(PlanError, match="committed actions of the request for tick 5"):
        PlanRequest(STANDING, np.zeros((2, 3)), RewardSettings(), committed)


def test_one_robot_is_a_batch_of_one():
    one = RobotState(**{
        field.name: getattr(STANDING, field.name) if field.name == "tick" else getattr(STANDING, field.name)[1]
        for field in dataclasses.fields(RobotState)
    })  # fmt: skip
    batch = one.batched()
    assert batch.tick == 5 and batch.base_height.shape == (1,) and batch.joint_pos.shape == (1, 12)
    np.testing.assert_array_equal(batch.base_quat_wxyz, STANDING.base_quat_wxyz[1:])


def test_the_plan_of_one_robot_of_a_batch():
    targets = np.arange(11 * 2 * 12.0).reshape(11, 2, 12)
    plan = Plan(5, targets, trajectory=np.ones((2, 12, 57)), command=np.eye(3)[:2], facts={"steps": 10})
    one = plan.of(1)
    np.testing.assert_array_equal(one.joint_targets, targets[:, 1])
    assert one.trajectory.shape == (12, 57) and one.command.tolist() == [0.0, 1.0, 0.0]
    assert (one.start_tick, one.horizon, one.facts) == (5, 11, {"steps": 10})
    assert Plan(5, targets).of(0).trajectory is None


def test_damping_has_no_stiffness():
    command = JointCommand.damping(5.0)
    assert not command.kp.any() and not command.torque.any() and (command.kd == 5.0).all()


def test_joint_permutation_maps_by_name():
    # The common URDF order is FL FR RL RR; the project's is FR FL RR RL.
    urdf = [f"{leg}_{joint}_joint" for leg in ("FL", "FR", "RL", "RR") for joint in ("hip", "thigh", "calf")]
    np.testing.assert_array_equal(go2.joint_permutation(urdf), [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8])
    short = [name.removesuffix("_joint") for name in go2.JOINT_NAMES]
    np.testing.assert_array_equal(go2.joint_permutation(short), np.arange(12))


@pytest.mark.parametrize("change", [lambda names: names[:-1], lambda names: [*names[:-1], names[0]]])
def test_missing_or_double_joints_are_named(change):
    with pytest.raises(JointOrderError, match="RL_calf_joint|FR_hip_joint"):
        go2.joint_permutation(change(list(go2.JOINT_NAMES)))


def test_constants_are_consistent_and_read_only():
    assert (go2.JOINT_POS_MIN < go2.DEFAULT_JOINT_POS).all() and (go2.DEFAULT_JOINT_POS < go2.JOINT_POS_MAX).all()
    assert (go2.JOINT_POS_MIN <= go2.LYING_JOINT_POS).all() and (go2.LYING_JOINT_POS <= go2.JOINT_POS_MAX).all()
    assert pytest.approx(go2.CONTROL_DT * 1000.0) == go2.CONTROL_TICK_MS
    with pytest.raises(ValueError, match="read-only"):
        go2.DEFAULT_JOINT_POS[0] = 0.0
