"""Joint velocities and torques of a plan: limits by hand, how they come and go, and a planner that lives on them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.control.feed_forward import NONE, FeedForward
from diffusion_mpc_ros.control.limits import limit_command
from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.modes import Event, Mode
from diffusion_mpc_ros.control.plans import check_plan
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.control.supervisor import Supervisor, SupervisorInput
from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.go2 import (
    CONTROL_DT,
    DEFAULT_JOINT_POS,
    JOINT_POS_MAX,
    JOINT_POS_MIN,
    JOINT_TORQUE_MAX,
    JOINT_VEL_MAX,
    MOTOR_MODE_SERVO,
)
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, Timing
from diffusion_mpc_ros.estimation.kinematics import leg_kinematics
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose

SETTINGS = load_safety_settings(config_file("safety.yaml"))
THIGH = np.eye(12)[1]
ZEROS = np.zeros(12)


def limit(targets=DEFAULT_JOINT_POS, feed_forward=NONE, before=NONE, kp=40.0, kd=1.0, joint_vel=ZEROS):
    return limit_command(
        targets, kp, kd, previous_targets=DEFAULT_JOINT_POS, joint_pos=DEFAULT_JOINT_POS, joint_vel=joint_vel,
        settings=SETTINGS, feed_forward=feed_forward, previous_feed_forward=before,
    )  # fmt: skip


def torques(newton_metres: float) -> FeedForward:
    return FeedForward(ZEROS, newton_metres * THIGH)


def velocities(rad_per_s: float) -> FeedForward:
    return FeedForward(rad_per_s * THIGH, ZEROS)


def test_without_one_nothing_but_a_position_is_commanded():
    limited = limit(DEFAULT_JOINT_POS + 0.1)
    assert limited.feed_forward is NONE and not limited.clamped.any()
    assert not limited.command.joint_vel.any() and not limited.command.torque.any()


def test_each_changes_by_its_rate_at_most():
    # 500 N m/s x 0.02 s = 10 N m, 500 rad/s^2 x 0.02 s = 10 rad/s.
    limited = limit(feed_forward=torques(15.0))
    assert limited.command.torque.tolist() == (10.0 * THIGH).tolist() and limited.clamped.tolist() == THIGH.tolist()
    assert limit(feed_forward=torques(15.0), before=torques(8.0)).command.torque[1] == 15.0
    assert limit(feed_forward=torques(-15.0), before=torques(8.0)).command.torque[1] == pytest.approx(-2.0)
    assert limit(feed_forward=velocities(15.0)).command.joint_vel.tolist() == (10.0 * THIGH).tolist()
    # A plan without one takes it back as gently.
    assert limit(before=torques(15.0)).command.torque[1] == pytest.approx(5.0)


def test_the_target_makes_room_for_it():
    # 10 N m of 23.7 are spoken for: 13.7 / 40 = 0.3425 rad of lead are left, (23.7 + 10) / 40 = 0.8425 the other way.
    for given_torque in (torques(10.0), velocities(10.0)):
        assert limit(DEFAULT_JOINT_POS + 0.9 * THIGH, given_torque).command.joint_pos[1] == pytest.approx(0.8 + 0.3425)
        assert limit(DEFAULT_JOINT_POS - 0.9 * THIGH, given_torque).command.joint_pos[1] == pytest.approx(0.8 - 0.8425)


def test_it_shrinks_with_the_gains_where_no_target_helps():
    # Without stiffness: 5 x (10 - 0) + 10 = 60 N m, scaled by 23.7 / 60 = 0.395.
    both = FeedForward(10.0 * THIGH, 10.0 * THIGH)
    command = limit(feed_forward=both, kp=0.0, kd=5.0).command
    assert command.torque[1] == pytest.approx(3.95) and command.kd[1] == pytest.approx(5.0 * 0.395)
    assert command.joint_vel[1] == 10.0


numbers = st.floats(-1e6, 1e6)
rows = st.lists(numbers, min_size=12, max_size=12).map(np.array)
state = st.lists(st.floats(-30.0, 30.0), min_size=12, max_size=12).map(np.array)


@given(rows, rows, rows, rows, rows, state, st.floats(0.0, 60.0), st.floats(0.0, 5.0))
def test_whatever_a_plan_asks_for_what_leaves_is_within_limits(
    targets, vel, torque, old_vel, old_torque, speed, kp, kd
):
    limited = limit(targets, FeedForward(vel, torque), FeedForward(old_vel, old_torque), kp, kd, speed)
    command, start = limited.command, np.clip(old_vel, -JOINT_VEL_MAX, JOINT_VEL_MAX)
    predicted = command.kp * (command.joint_pos - DEFAULT_JOINT_POS)
    predicted += command.kd * (command.joint_vel - speed) + command.torque
    assert (np.abs(predicted) <= JOINT_TORQUE_MAX * (1.0 + 1e-9)).all()
    assert (np.abs(command.torque) <= JOINT_TORQUE_MAX).all() and (np.abs(command.joint_vel) <= JOINT_VEL_MAX).all()
    assert (np.abs(command.joint_vel - start) <= 500.0 * CONTROL_DT + 1e-9).all()
    assert (command.joint_pos >= JOINT_POS_MIN).all() and (command.joint_pos <= JOINT_POS_MAX).all()


def plan(**feed_forward) -> Plan:
    arrays = {name: np.tile(row, (11, 1)) for name, row in feed_forward.items()}
    return Plan(100, np.tile(DEFAULT_JOINT_POS, (11, 1)), **arrays)


def test_a_plan_that_asks_for_more_than_the_motors_do_is_refused():
    check_plan(plan(joint_vel=JOINT_VEL_MAX, joint_torque=-JOINT_TORQUE_MAX), 100, None, 0.5)
    with pytest.raises(PlanError, match="FR_thigh_joint for a feed-forward of 24 N m in row 0, its motor does at most"):
        check_plan(plan(joint_torque=24.0 * THIGH), 100, None, 0.5)
    with pytest.raises(PlanError, match="FR_thigh_joint for a feed-forward of -99 rad/s in row 0"):
        check_plan(plan(joint_vel=-99.0 * THIGH), 100, None, 0.5)


@pytest.mark.parametrize("name", ["joint_vel", "joint_torque"])
def test_one_of_another_shape_or_not_finite_is_no_plan(name):
    with pytest.raises(PlanError, match=name):
        Plan(0, np.zeros((11, 12)), **{name: np.zeros((10, 12))})
    with pytest.raises(PlanError, match="not finite"):
        Plan(0, np.zeros((11, 12)), **{name: np.full((11, 12), np.nan)})


def test_a_row_and_a_robot_have_their_own():
    vel, torque = np.arange(11 * 2 * 12.0).reshape(11, 2, 12), np.ones((11, 2, 12))
    one = Plan(5, np.zeros((11, 2, 12)), joint_vel=vel, joint_torque=torque).of(1)
    buffer = ActionBuffer(Timing())
    buffer.advance(8)
    buffer.add(one)
    row = buffer.row(8)
    assert row.index == 3 and row.feed_forward[0].tolist() == vel[3, 1].tolist()
    assert FeedForward.of(*row.feed_forward).joint_torque.tolist() == [1.0] * 12
    assert FeedForward.of(None, None) is NONE and not FeedForward.of(row.feed_forward[0], None).joint_torque.any()


class WeightCarrier(Planner):
    """Stands in the default pose; the torques that carry the robot's weight come from its model, not from an error."""

    name = "weight_carrier"
    WEIGHT = 15.2 * 9.81  # [N], all four legs alike

    def __init__(self, carries: bool) -> None:
        self.timing, self._carries = Timing(), carries

    def plan(self, request: PlanRequest) -> Plan:
        targets = np.tile(DEFAULT_JOINT_POS, (self.timing.horizon, 1, 1))
        # tau = -J^T f, f the force of the ground on each foot.
        jacobian = leg_kinematics(DEFAULT_JOINT_POS).jacobian_b
        torque = -np.einsum("lij,i->lj", jacobian, np.array([0.0, 0.0, self.WEIGHT / 4])).reshape(12)
        carried = np.tile(torque, (self.timing.horizon, 1, 1)) if self._carries else None
        return Plan(request.tick, targets, command=request.command, joint_torque=carried)


class Robot:
    """A simulated robot under the supervisor, which follows the plans of ``planner``, in lock-step."""

    def __init__(self, planner: Planner) -> None:
        self.simulation, self.supervisor, self._planner = Go2Simulation(), Supervisor(SETTINGS), planner
        self.simulation.reset(Pose.STANDING)
        self.lowstate, self.outputs = self.simulation.lowstate(0.0), []

    def step(self, request: Event | None = None, planned: bool = True):
        tick, feed_forward, targets = len(self.outputs), NONE, None
        if planned:
            state = self.simulation.robot_state(tick, DEFAULT_JOINT_POS).batched()
            row = self._planner.plan(PlanRequest(state, np.zeros((1, 3)), RewardSettings())).of(0)
            targets = row.joint_targets[0]
            feed_forward = FeedForward.of(*(None if each is None else each[0] for each in row.feed_forward))
        lowstate = dataclasses.replace(self.lowstate, motor_mode=np.full(12, MOTOR_MODE_SERVO))
        link = LinkStatus(robot_controller="", watchdog_ready=True)
        self.outputs.append(
            self.supervisor.step(
                SupervisorInput(tick, lowstate, 0.0, targets, request, link=link, held=True, feed_forward=feed_forward)
            )
        )
        self.lowstate = self.simulation.step_control_tick(self.outputs[-1].command)
        return self.outputs[-1]

    def walk(self) -> None:
        self.step(Event.STAND_UP)
        while self.supervisor.mode is not Mode.STANDING:
            self.step()
        self.step(Event.WALK)
        for _ in range(100):
            assert self.step().mode is Mode.WALKING


def sag(carries: bool) -> float:
    """How far its thighs and calves are from where the planner wants them [rad], root mean square."""
    robot = Robot(WeightCarrier(carries))
    robot.walk()
    legs = np.arange(12) % 3 > 0
    return float(np.sqrt(np.mean((robot.lowstate.joint_pos - DEFAULT_JOINT_POS)[legs] ** 2)))


def test_a_robot_whose_plans_carry_its_weight_sags_less():
    # Its feet stick where they came down, so that some error is left.
    assert sag(False) > 0.09 and sag(True) < 0.06


def test_it_fades_in_is_taken_back_and_ends_at_once_with_damping():
    robot = Robot(WeightCarrier(True))
    robot.step(Event.STAND_UP)
    while robot.supervisor.mode is not Mode.STANDING:
        assert not robot.step().command.torque.any()
    full = robot._planner.plan(
        PlanRequest(robot.simulation.robot_state(0, DEFAULT_JOINT_POS).batched(), np.zeros((1, 3)), RewardSettings())
    ).joint_torque[0, 0]
    # 0.2 s of entry: a tenth more each tick.
    shares = [robot.step(Event.WALK if tick == 0 else None).command.torque[2] / full[2] for tick in range(11)]
    assert shares == pytest.approx([*np.arange(1, 11) / 10, 1.0], abs=1e-6)
    # No plan: 10 N m a tick, then zero.
    largest = abs(robot.step(planned=False).command.torque).max()
    assert largest == pytest.approx(max(abs(full).max() - 10.0, 0.0), abs=1e-6)
    for _ in range(3):
        left = robot.step(planned=False)
    assert not left.command.torque.any() and left.mode is Mode.WALKING
    robot.step()
    assert not robot.step(Event.DAMP).command.torque.any()
