"""Messages and dataclasses carry the same numbers; what does not fit is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs.srv import GetRewardWeights
from geometry_msgs.msg import Twist

from diffusion_mpc_ros.control.authority import Holding
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.control.supervisor import SupervisorOutput
from diffusion_mpc_ros.core.errors import MessageError, PlanError
from diffusion_mpc_ros.core.message_fields import read_plan, read_reward_settings
from diffusion_mpc_ros.core.types import JointCommand, LowState, Plan, RewardSettings, RobotState
from diffusion_mpc_ros.nodes import delay_recorder
from diffusion_mpc_ros.nodes.control_step import ControlStep
from diffusion_mpc_ros.nodes.conversions.ground import ground_message
from diffusion_mpc_ros.nodes.conversions.inputs import read_velocity
from diffusion_mpc_ros.nodes.conversions.joint_commands import MODE_VALUES, MODES, joint_command_message
from diffusion_mpc_ros.nodes.conversions.measurements import imu_message, joint_state_message, odometry_message
from diffusion_mpc_ros.nodes.conversions.plans import plan_message
from diffusion_mpc_ros.nodes.conversions.predictions import joint_trajectory_message, predicted_feet_message
from diffusion_mpc_ros.nodes.conversions.rewards import read_choices, reward_weights_message
from diffusion_mpc_ros.nodes.conversions.robot_states import read_robot_state, robot_state_message
from diffusion_mpc_ros.realtime.action_buffer import ExecutedRow

STAMP = Time(sec=12, nanosec=34)


def fields_equal(a, b) -> bool:
    """Whether two dataclasses hold the same numbers, arrays included."""
    pairs = ((getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(a))
    return all(np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y for x, y in pairs)


@pytest.fixture
def lowstate():
    rng = np.random.default_rng(1)
    return LowState(
        tick_ms=1234,
        receive_time=5.0,
        base_quat_wxyz=np.array([0.5, 0.1, 0.7, -0.5]),
        base_ang_vel=rng.normal(size=3),
        base_lin_acc=rng.normal(size=3),
        joint_pos=rng.normal(size=12),
        joint_vel=rng.normal(size=12),
        joint_torque=rng.normal(size=12),
        foot_force=np.array([1.0, 2.0, 3.0, 4.0]),
        motor_temperature=np.full(12, 30.0),
        battery_soc=80.0,
    )


@pytest.fixture
def state(lowstate):
    return RobotState(
        tick=61,
        base_ang_vel=lowstate.base_ang_vel,
        base_quat_wxyz=lowstate.base_quat_wxyz,
        joint_pos=lowstate.joint_pos,
        joint_vel=lowstate.joint_vel,
        joint_torque=lowstate.joint_torque,
        previous_action=np.linspace(-1.0, 1.0, 12),
        foot_contact=np.array([True, False, False, True]),
        base_lin_vel=np.array([0.5, 0.1, -0.05]),
        base_height=0.29,
    )


def test_robot_state_round_trip(state, lowstate):
    message = robot_state_message(state, lowstate, STAMP, "base")
    assert fields_equal(read_robot_state(message), state)
    assert message.lowstate_tick_ms == 1234 and message.header.frame_id == "base"
    assert message.foot_force.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_plan_round_trip():
    plan = Plan(
        17, np.arange(11 * 12.0).reshape(11, 12), -2.5, 4, 0.011, command=np.array([0.5, -0.1, 0.2]),
        planner="diffusion_mpc", replan_margin=3, facts={"denoising_steps": 10.0},
    )  # fmt: skip
    message = plan_message(plan, "abc", STAMP)
    assert fields_equal(read_plan(message), plan) and not len(message.joint_vel) and not len(message.joint_torque)
    with_torques = dataclasses.replace(plan, joint_vel=-plan.joint_targets, joint_torque=0.1 * plan.joint_targets)
    assert fields_equal(read_plan(plan_message(with_torques, "abc", STAMP)), with_torques)
    assert message.artefact == "abc"


@pytest.mark.parametrize("targets", [[0.0] * 131, [0.0] * 131 + [float("nan")]])
def test_a_plan_that_is_too_short_or_not_finite_is_refused(targets):
    message = plan_message(Plan(3, np.zeros((11, 12))), "", STAMP)
    message.joint_targets = targets
    with pytest.raises(PlanError, match="tick 3"):
        read_plan(message)
    message = plan_message(Plan(3, np.zeros((11, 12))), "", STAMP)
    message.joint_torque = targets
    with pytest.raises(PlanError, match="tick 3"):
        read_plan(message)


def test_facts_need_a_value_each_and_finite_ones():
    message = plan_message(Plan(3, np.zeros((11, 12)), facts={"cost": 1.5}), "", STAMP)
    assert message.replan_margin == -1 and read_plan(message).replan_margin is None
    message.fact_names = ["cost", "steps"]
    with pytest.raises(PlanError, match="2 names of facts and 1 values"):
        read_plan(message)
    message.fact_names, message.fact_values = ["cost"], [float("nan")]
    with pytest.raises(PlanError, match="facts of the plan for tick 3 are not finite"):
        read_plan(message)


def test_reward_settings_round_trip():
    direction = {"align.direction": np.array([0.0, 0.0, -1.0])}
    settings = RewardSettings(3, {"energy": 0.5, "align": 2.0}, direction, ("range",))
    back = read_reward_settings(reward_weights_message(settings, STAMP))
    assert (back.revision, back.weights, back.constraints) == (3, settings.weights, ("range",))
    assert back.parameters["align.direction"].tolist() == [0.0, 0.0, -1.0]


CHOICES = {
    "terms": ["energy", "smooth"],
    "units": ["1/(J)", "1/(rad)"],
    "minimums": [0.0, -1.0],
    "maximums": [3.0, 2.0],
    "presets": ["none", "balance"],
    "constraints": ["torque"],
}


def test_what_can_be_set():
    choices = read_choices(GetRewardWeights.Response(**CHOICES))
    assert choices.terms == {"energy": ("1/(J)", 0.0, 3.0), "smooth": ("1/(rad)", -1.0, 2.0)}
    assert choices.presets == ("none", "balance") and choices.constraints == ("torque",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"maximums": [3.0]}, "2 terms, 2 units, 2 minimums, 1 maximums: one of each is needed"),
        ({"units": []}, "0 units"),
        ({"terms": ["energy", "energy"]}, "a term is named twice"),
        ({"presets": ["none", "none"]}, "a preset is named twice"),
        ({"constraints": ["torque", "torque"]}, "a constraint is named twice"),
        ({"minimums": [0.0, math.nan]}, "'smooth' has the bounds nan .. 2.0"),
        ({"maximums": [math.inf, 2.0]}, "'energy' has the bounds 0.0 .. inf"),
        ({"minimums": [4.0, 0.0]}, "'energy' has the bounds 4.0 .. 3.0"),
    ],
)
def test_what_cannot_be_set_is_refused(changes, reason):
    with pytest.raises(MessageError, match=reason):
        read_choices(GetRewardWeights.Response(**{**CHOICES, **changes}))


def test_a_velocity_command():
    twist = Twist()
    twist.linear.x, twist.linear.y, twist.angular.z = 3.0, -0.2, float("inf")
    assert read_velocity(twist).tolist() == [3.0, -0.2, np.inf]


HOLDING = Holding("joy", True, np.array([0.5, 0.0, -0.2]))


def test_only_a_walking_robot_is_told_a_velocity(lowstate):
    command = JointCommand.position(np.zeros(12), 60.0, 5.0)
    step = ControlStep(1, SupervisorOutput(Mode.STANDING, command, None, "", False, 0), None, lowstate, HOLDING, 0.0)
    message = joint_command_message(step, STAMP)
    assert message.holder == "joy" and not message.velocity.any()


def test_a_joint_command_says_where_it_came_from(lowstate):
    plan = Plan(17, np.zeros((11, 12)))
    command = JointCommand.position(np.linspace(0.0, 1.1, 12), 40.0, 1.0)
    output = SupervisorOutput(Mode.WALKING, command, None, "", True, 0)
    step = ControlStep(21, output, ExecutedRow(plan.joint_targets[4], plan, 4), lowstate, HOLDING, 0.002)
    message = joint_command_message(step, STAMP)
    assert (message.tick, message.lowstate_tick_ms, message.plan_start_tick, message.plan_row) == (21, 1234, 17, 4)
    assert message.holder == "joy" and message.velocity.tolist() == [0.5, 0.0, -0.2]
    reported = delay_recorder.reported_command(message)
    assert (reported.stamp, reported.tick, reported.lowstate_tick_ms) == (12_000_000_034, 21, 1234)
    assert (reported.plan_start_tick, reported.plan_row) == (17, 4)
    assert np.array_equal(reported.joint_pos, command.joint_pos)
    without = dataclasses.replace(step, row=None, lowstate=None)
    message = joint_command_message(without, STAMP)
    assert (message.lowstate_tick_ms, message.plan_start_tick, message.plan_row) == (0, -1, -1)


def test_every_mode_has_its_constant():
    assert {MODES[value] for value in MODE_VALUES.values()} == set(Mode)


def test_standard_messages_name_their_joints_and_frames(state, lowstate):
    joints = joint_state_message(state, STAMP)
    assert joints.name[0] == "FR_hip_joint" and joints.position.tolist() == state.joint_pos.tolist()
    imu = imu_message(lowstate, STAMP, "base")
    assert (imu.orientation.w, imu.orientation.z) == (0.5, -0.5) and imu.header.frame_id == "base"
    odometry = odometry_message(state, np.array([1.0, 2.0, 0.3]), STAMP, ("odom", "base"))
    assert (odometry.header.frame_id, odometry.child_frame_id) == ("odom", "base")
    assert odometry.pose.pose.position.y == 2.0 and odometry.twist.twist.linear.x == 0.5
    # What an EKF weighs them by: variances, and no correlation.
    covariances = [imu.orientation_covariance, imu.angular_velocity_covariance, imu.linear_acceleration_covariance]
    for flat in (*covariances, odometry.pose.covariance, odometry.twist.covariance):
        matrix = np.reshape(flat, (math.isqrt(len(flat)), -1))
        assert (np.diag(matrix) > 0.0).all() and not (matrix - np.diag(np.diag(matrix))).any()


def test_a_plan_is_shown_as_trajectory_and_paths_of_the_feet():
    predicted = np.zeros((12, 57))
    plan = Plan(0, np.zeros((11, 12)), trajectory=predicted)
    trajectory = joint_trajectory_message(plan, STAMP)
    assert len(trajectory.points) == 12
    assert trajectory.points[3].time_from_start.nanosec == 60_000_000
    markers = predicted_feet_message(plan, STAMP, "base").markers
    # Straight legs of 0.426 m below hips at (.1934, -.0465 - .0955).
    foot = markers[0].points[0]
    assert (markers[0].ns, len(markers)) == ("FR", 4)
    assert (foot.x, foot.y, foot.z) == pytest.approx((0.1934, -0.142, -0.426))


def test_of_a_plan_without_a_prediction_the_targets_are_shown():
    plan = Plan(0, np.zeros((11, 12)))
    assert len(joint_trajectory_message(plan, STAMP).points) == 11
    foot = predicted_feet_message(plan, STAMP, "base").markers[0].points[10]
    assert (foot.x, foot.y, foot.z) == pytest.approx((0.1934, -0.142, -0.426))


def test_the_ground_is_one_marker_of_triangles():
    triangles = np.array([[[0.0, 0.0, 0.1], [1.0, 0.0, 0.2], [1.0, 1.0, 0.3]]] * 2)
    (marker,) = ground_message(triangles, STAMP, "odom").markers
    assert (marker.type, marker.header.frame_id) == (marker.TRIANGLE_LIST, "odom")
    assert [(point.x, point.y, point.z) for point in marker.points] == [
        tuple(corner) for corner in triangles.reshape(6, 3)
    ]
    assert (marker.scale.x, marker.pose.orientation.w) == (1.0, 1.0) and marker.color.a > 0.0
