"""The supervisor's output under any input: finite and within limits."""

import copy
import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from supervisors import SETTINGS, SOUND, STAND_UP_TICKS, follow, is_damping, make_lowstate, standing, walking

from diffusion_mpc_ros.control.modes import REQUESTS, Event, Mode
from diffusion_mpc_ros.control.supervisor import Supervisor, SupervisorInput
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DEFAULT_JOINT_POS, JOINT_POS_MAX, JOINT_POS_MIN, JOINT_TORQUE_MAX

WILD = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def inputs(draw):
    """Mostly a sound robot, often a bad one, sometimes garbage."""
    seed, kind = draw(st.integers(0, 2**31)), draw(st.sampled_from(["sound", "sound", "sound", "fast", "wild"]))
    rng = np.random.default_rng(seed)
    changes = {"joint_pos": rng.uniform(JOINT_POS_MIN, JOINT_POS_MAX), "joint_vel": rng.normal(0.0, 3.0, 12)}
    targets = rng.uniform(JOINT_POS_MIN - 1.0, JOINT_POS_MAX + 1.0) if rng.random() < 0.7 else None
    if kind == "fast":
        changes["joint_vel"] = rng.normal(0.0, 40.0, 12)
        changes["roll"] = rng.uniform(-3.0, 3.0)
    if kind == "wild":
        name = draw(st.sampled_from(["joint_pos", "joint_vel", "base_quat_wxyz", "motor_temperature", "battery_soc"]))
        value = draw(WILD)
        changes[name] = value if name == "battery_soc" else np.full(4 if name == "base_quat_wxyz" else 12, value)
        targets = np.full(12, draw(WILD))
    request = draw(st.sampled_from([None, None, *REQUESTS]))
    age = draw(st.sampled_from([0.001, 0.001, 0.001, 0.05, 0.2]))
    lowstate = None if rng.random() < 0.02 else make_lowstate(**changes)
    return SupervisorInput(draw(st.integers(0, 10**9)), lowstate, age, targets, request, link=SOUND, held=True)


def assert_within_limits(output, previous_targets, lowstate):
    command = output.command
    assert all(np.isfinite(getattr(command, field.name)).all() for field in dataclasses.fields(command))
    assert (command.kp >= 0).all() and (command.kd >= 0).all()
    if output.mode in (Mode.DAMPING, Mode.FAULT):
        assert is_damping(command)
        return
    assert (command.joint_pos >= JOINT_POS_MIN).all() and (command.joint_pos <= JOINT_POS_MAX).all()
    reach = SETTINGS.joint_target_rate_max * CONTROL_DT
    assert (np.abs(command.joint_pos - previous_targets) <= reach + 1e-12).all()
    torque = command.kp * (command.joint_pos - lowstate.joint_pos) - command.kd * lowstate.joint_vel
    assert (np.abs(torque) <= JOINT_TORQUE_MAX * SETTINGS.torque_factor * (1 + 1e-12)).all()


STARTS = {"damping": Supervisor(SETTINGS), "standing": standing(), "walking": walking()}


@settings(max_examples=100, deadline=None)
@given(st.lists(inputs(), min_size=1, max_size=30), st.sampled_from(sorted(STARTS)))
def test_whatever_arrives_the_output_is_finite_and_within_limits(sequence, start):
    supervisor, twin = copy.deepcopy(STARTS[start]), copy.deepcopy(STARTS[start])
    previous_targets, faulted = None if start == "damping" else DEFAULT_JOINT_POS, False
    for item in sequence:
        output = supervisor.step(item)
        again = twin.step(item)
        assert output.mode is again.mode and (output.command.joint_pos == again.command.joint_pos).all()
        if previous_targets is None and item.lowstate is not None:
            previous_targets = np.clip(item.lowstate.joint_pos, JOINT_POS_MIN, JOINT_POS_MAX)
        assert_within_limits(output, previous_targets, item.lowstate)
        if faulted and item.request is not Event.CLEAR_FAULT:
            assert output.mode is Mode.FAULT
        faulted = output.mode is Mode.FAULT
        assert (output.fault is not None) == faulted
        passive = output.mode in (Mode.DAMPING, Mode.FAULT)
        previous_targets = None if passive else output.command.joint_pos


def test_a_thousand_ticks_of_noise_never_leave_the_limits():
    # Joints that are thrown about are no blocked ones: the mean torque never passes the whole limit.
    supervisor, rng = Supervisor(dataclasses.replace(SETTINGS, blocked_torque=1.0)), np.random.default_rng(3)
    follow(supervisor, STAND_UP_TICKS + 2, request=Event.STAND_UP)
    previous = DEFAULT_JOINT_POS
    for tick in range(1000):
        lowstate = make_lowstate(
            joint_pos=rng.uniform(JOINT_POS_MIN, JOINT_POS_MAX), joint_vel=rng.normal(0.0, 8.0, 12).clip(-20, 20)
        )
        request = Event.WALK if tick % 50 == 0 else None
        output = supervisor.step(SupervisorInput(tick, lowstate, 0.0, rng.normal(0.0, 3.0, 12), request, held=True))
        assert output.mode is Mode.WALKING
        assert_within_limits(output, previous, lowstate)
        previous = output.command.joint_pos
