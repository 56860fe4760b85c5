"""The project's own messages from and to the dataclasses of :mod:`diffusion_mpc_ros.core.types`.

Messages of this project carry joints in the SDK's motor order, which is the project's own; nothing is reordered here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs import msg as messages
from geometry_msgs.msg import Quaternion, Twist, Vector3, WrenchStamped

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core import types
from diffusion_mpc_ros.core.errors import MessageError, PlanError, RewardError, brief
from diffusion_mpc_ros.core.go2 import MAX_READING, NUM_JOINTS

if TYPE_CHECKING:
    # Who only reads messages need not load the robot's border.
    from diffusion_mpc_ros.nodes.control_loop import ControlStep

# Operating mode <-> the constants of JointCommand.msg.
MODE_VALUES = {mode: getattr(messages.JointCommand, mode.name) for mode in Mode}
MODES = {value: mode for mode, value in MODE_VALUES.items()}
# The hardest push that a simulated robot is given [N]: 66 m/s within the time that a push lasts.
MAX_PUSH = 1.0e4
# Ticks beyond this one are no clock's: the robot's has 32 bits of milliseconds.
MAX_TICK = 2**32
# In place of a replan margin that a plan does not say.
UNSAID = -1


def vector_message(vector: np.ndarray) -> Vector3:
    """``(3,)`` -> Vector3."""
    x, y, z = (float(value) for value in vector)
    return Vector3(x=x, y=y, z=z)


def quaternion_message(quat_wxyz: np.ndarray) -> Quaternion:
    """``(w, x, y, z)`` -> the ROS quaternion."""
    w, x, y, z = (float(value) for value in quat_wxyz)
    return Quaternion(w=w, x=x, y=y, z=z)


def vector(message: Vector3) -> np.ndarray:
    """Vector3 -> ``(3,)``."""
    return np.array([message.x, message.y, message.z])


def velocity(message: Twist) -> np.ndarray:
    """What a Twist asks for, ``(vx, vy, yaw rate)`` [m/s, m/s, rad/s], finite or not."""
    return np.array([message.linear.x, message.linear.y, message.angular.z])


def push_force(message: WrenchStamped) -> np.ndarray:
    """The force ``(3,)`` [N] of a push; raises MessageError unless it is finite and no more than MAX_PUSH."""
    force = vector(message.wrench.force)
    _check_bounded("force", force, MAX_PUSH, "N")
    return force


def stamp_ns(stamp: Time) -> int:
    """A stamp of any content [ns since 1970]."""
    return stamp.sec * 10**9 + stamp.nanosec


def robot_state_message(
    state: types.RobotState, lowstate: types.LowState, stamp: Time, frame_id: str
) -> messages.RobotState:
    """RobotState with the raw sample it was made from."""
    message = messages.RobotState()
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.tick = state.tick
    message.lowstate_tick_ms = lowstate.tick_ms
    message.orientation = quaternion_message(state.base_quat_wxyz)
    message.angular_velocity = vector_message(state.base_ang_vel)
    message.linear_acceleration = vector_message(lowstate.base_lin_acc)
    message.linear_velocity = vector_message(state.base_lin_vel)
    message.base_height = float(state.base_height)
    message.joint_pos = _float64(state.joint_pos)
    message.joint_vel = _float64(state.joint_vel)
    message.joint_torque = _float64(state.joint_torque)
    message.previous_action = _float64(state.previous_action)
    message.foot_force = _float64(lowstate.foot_force)
    message.foot_contact = [bool(contact) for contact in state.foot_contact]
    return message


def robot_state(message: messages.RobotState) -> types.RobotState:
    """The inverse of :func:`robot_state_message`, without the raw sample; MessageError for impossible ones."""
    _check_tick(message.tick)
    orientation = message.orientation
    quat_wxyz = np.array([orientation.w, orientation.x, orientation.y, orientation.z])
    _check_bounded("orientation", quat_wxyz, 1.1, "(a unit quaternion)")
    if not abs(quat_wxyz @ quat_wxyz - 1.0) < 0.1:
        raise MessageError(f"orientation {quat_wxyz} is no unit quaternion")
    for name in ("joint_pos", "joint_vel", "joint_torque", "previous_action"):
        _check_bounded(name, getattr(message, name), MAX_READING, "in SI units")
    for name in ("angular_velocity", "linear_velocity"):
        _check_bounded(name, vector(getattr(message, name)), MAX_READING, "in SI units")
    _check_bounded("base_height", message.base_height, MAX_READING, "m")
    return types.RobotState(
        tick=message.tick,
        base_ang_vel=vector(message.angular_velocity),
        base_quat_wxyz=quat_wxyz,
        joint_pos=_float64(message.joint_pos),
        joint_vel=_float64(message.joint_vel),
        joint_torque=_float64(message.joint_torque),
        previous_action=_float64(message.previous_action),
        foot_contact=np.array(message.foot_contact, dtype=bool),
        base_lin_vel=vector(message.linear_velocity),
        base_height=message.base_height,
    )


def plan_message(plan: types.Plan, artefact: str, stamp: Time) -> messages.Plan:
    """Plan of one robot; ``artefact`` is the SHA-256 of the model that made it."""
    message = messages.Plan()
    message.header.stamp = stamp
    message.start_tick = plan.start_tick
    message.horizon = plan.horizon
    message.joint_targets = plan.joint_targets.ravel().tolist()
    message.velocity = np.zeros(3) if plan.command is None else _float64(plan.command)
    message.reward = float(plan.reward)
    message.reward_revision = plan.reward_revision
    message.plan_time = float(plan.plan_time)
    message.planner = plan.planner
    message.replan_margin = UNSAID if plan.replan_margin is None else plan.replan_margin
    message.fact_names = list(plan.facts)
    message.fact_values = [float(value) for value in plan.facts.values()]
    message.artefact = artefact
    return message


def plan(message: messages.Plan) -> types.Plan:
    """The inverse of :func:`plan_message`; raises PlanError when rows and numbers do not fit or are not finite."""
    if len(message.joint_targets) != message.horizon * NUM_JOINTS:
        raise PlanError(
            f"the plan for tick {message.start_tick} has {len(message.joint_targets)} joint targets, "
            f"{message.horizon} rows x {NUM_JOINTS} are needed"
        )
    figures = (*message.velocity, message.reward, message.plan_time, *message.fact_values)
    if not np.isfinite(figures).all():
        raise PlanError(
            f"velocity, reward, time or facts of the plan for tick {message.start_tick} are not finite: {list(figures)}"
        )
    if len(message.fact_names) != len(message.fact_values):
        raise PlanError(
            f"the plan for tick {message.start_tick} has {len(message.fact_names)} names of facts and "
            f"{len(message.fact_values)} values: one for each is needed"
        )
    return types.Plan(
        start_tick=message.start_tick,
        joint_targets=np.array(message.joint_targets).reshape(message.horizon, NUM_JOINTS),
        command=_float64(message.velocity),
        reward=message.reward,
        reward_revision=message.reward_revision,
        plan_time=message.plan_time,
        planner=message.planner,
        replan_margin=None if message.replan_margin == UNSAID else message.replan_margin,
        facts=dict(zip(message.fact_names, message.fact_values, strict=True)),
    )


def joint_command_message(step: ControlStep, stamp: Time) -> messages.JointCommand:
    """What one turn of the control loop sent, and why."""
    output, row = step.output, step.row
    message = messages.JointCommand()
    message.header.stamp = stamp
    message.tick = step.tick
    message.mode = MODE_VALUES[output.mode]
    message.fault = str(output.fault or "")
    message.holder = step.holding.holder
    message.velocity = step.holding.velocity if output.mode is Mode.WALKING else np.zeros(3)
    for name in ("joint_pos", "joint_vel", "kp", "kd", "torque"):
        setattr(message, name, _float64(getattr(output.command, name)))
    message.lowstate_tick_ms = step.lowstate.tick_ms if step.lowstate else 0
    message.plan_start_tick = row.plan.start_tick if row else -1
    message.plan_row = row.index if row else -1
    message.lateness = step.lateness
    return message


def joint_command(message: messages.JointCommand) -> messages.JointCommand:
    """``message``, checked; raises MessageError for an unknown mode and for numbers that are not finite."""
    if message.mode not in MODES:
        raise MessageError(f"mode {message.mode} is none of {', '.join(f'{v} ({m.name})' for v, m in MODES.items())}")
    _check_tick(message.tick)
    for name in ("velocity", "joint_pos", "joint_vel", "kp", "kd", "torque", "lateness"):
        _check_bounded(name, getattr(message, name), MAX_READING, "in SI units")
    return message


def reward_weights_message(settings: types.RewardSettings, stamp: Time) -> messages.RewardWeights:
    """RewardSettings -> RewardWeights."""
    message = messages.RewardWeights()
    message.header.stamp = stamp
    message.revision = settings.revision
    message.names = list(settings.weights)
    message.weights = [float(weight) for weight in settings.weights.values()]
    message.parameters = [
        messages.RewardParameter(name=name, values=np.ravel(values).tolist())
        for name, values in settings.parameters.items()
    ]
    message.constraints = list(settings.constraints)
    return message


def reward_settings(message: messages.RewardWeights) -> types.RewardSettings:
    """The inverse of :func:`reward_weights_message`; raises RewardError for what is no settings of any terms."""
    names, parameters = list(message.names), [parameter.name for parameter in message.parameters]
    if len(names) != len(message.weights):
        raise RewardError(f"{len(names)} names {brief(names)}, {len(message.weights)} weights: one for each is needed")
    for kind, given in (("weight", names), ("parameter", parameters)):
        if len(set(given)) != len(given):
            raise RewardError(f"a {kind} is given twice: {brief(given)}")
    numbers = [("weights", message.weights), *((value.name, value.values) for value in message.parameters)]
    for name, values in numbers:
        if not np.isfinite(values).all():
            raise RewardError(f"{name!r} must be finite, got {brief(list(values))}")
    return types.RewardSettings(
        revision=message.revision,
        weights=dict(zip(names, message.weights, strict=True)),
        parameters={parameter.name: np.array(parameter.values) for parameter in message.parameters},
        constraints=tuple(message.constraints),
    )


def _check_tick(tick: int) -> None:
    if not 0 <= tick <= MAX_TICK:
        raise MessageError(f"tick {tick} is not within 0 .. {MAX_TICK}")


def _check_bounded(name: str, values: np.ndarray | float, bound: float, unit: str) -> None:
    # Any comparison with NaN is false.
    if not (np.abs(values) <= bound).all():
        raise MessageError(f"{name} {values} is not within +-{bound:g} {unit}")


def _float64(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)
