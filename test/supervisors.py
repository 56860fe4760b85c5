"""Supervisors in a mode, and inputs for them: a healthy robot with what a test changes of it."""

import numpy as np

from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.modes import Event, Mode
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.control.supervisor import Supervisor, SupervisorInput
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DAMPING_KD, DEFAULT_JOINT_POS, LYING_JOINT_POS
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import LowState

SETTINGS = load_safety_settings(config_file("safety.yaml"))
STAND_UP_TICKS = round((SETTINGS.fold_time + SETTINGS.stand_up_time) / CONTROL_DT)
SOUND = LinkStatus(robot_controller="", watchdog_ready=True)
ENTRY_TICKS = round(SETTINGS.entry_time / CONTROL_DT)


def make_lowstate(**changes):
    """A healthy robot at rest in the standing pose; ``roll`` [rad] tilts it."""
    roll = changes.pop("roll", 0.0)
    values = {
        "tick_ms": 0,
        "receive_time": 0.0,
        "base_quat_wxyz": np.array([np.cos(roll / 2), np.sin(roll / 2), 0.0, 0.0]),
        "base_ang_vel": np.zeros(3),
        "base_lin_acc": np.array([0.0, 0.0, 9.81]),
        "joint_pos": DEFAULT_JOINT_POS.copy(),
        "joint_vel": np.zeros(12),
        "joint_torque": np.zeros(12),
        "foot_force": np.full(4, 40.0),
        "motor_temperature": np.full(12, 40.0),
        "battery_soc": 80.0,
    }
    return LowState(**{**values, **changes})


def make_input(
    tick=0,
    *,
    request=None,
    joint_targets=None,
    age=0.002,
    lowstate=...,
    e_stop="",
    link=SOUND,
    stall=CONTROL_DT,
    took_over=False,
    held=True,
    jump=0.0,
    **changes,
):
    """A supervisor input; keyword ``changes`` go to the LowState."""
    lowstate = make_lowstate(**changes) if lowstate is ... else lowstate
    return SupervisorInput(tick, lowstate, age, joint_targets, request, e_stop, link, held, jump, stall, took_over)


def follow(supervisor, ticks, **options):
    """Step ``ticks`` times with joints that follow their targets at once; returns the outputs."""
    outputs, joint_pos = [], options.pop("joint_pos", LYING_JOINT_POS.copy())
    for tick in range(ticks):
        outputs.append(supervisor.step(make_input(tick, joint_pos=joint_pos, **options)))
        options.pop("request", None)
        if outputs[-1].mode not in (Mode.DAMPING, Mode.FAULT):
            joint_pos = outputs[-1].command.joint_pos
    return outputs


def standing():
    supervisor = Supervisor(SETTINGS)
    follow(supervisor, STAND_UP_TICKS + 2, request=Event.STAND_UP)
    assert supervisor.mode is Mode.STANDING
    return supervisor


def walking():
    supervisor = standing()
    output = supervisor.step(make_input(request=Event.WALK, joint_targets=DEFAULT_JOINT_POS))
    assert output.mode is Mode.WALKING and output.following_plan
    for _ in range(ENTRY_TICKS):
        supervisor.step(make_input(joint_targets=DEFAULT_JOINT_POS))
    return supervisor


def is_damping(command):
    return (
        not command.kp.any()
        and not command.torque.any()
        and not command.joint_vel.any()
        and (command.kd == DAMPING_KD).all()
        and np.isfinite(command.joint_pos).all()
    )
