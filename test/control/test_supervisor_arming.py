"""What forbids the supervisor to let the robot stand up, each obstacle in words."""

import dataclasses

import numpy as np
import pytest
from supervisors import SETTINGS, SOUND, is_damping, make_input, walking

from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.modes import Event, Mode
from diffusion_mpc_ros.control.supervisor import Supervisor
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, JOINT_POS_MAX

ARMING = {
    "state of charge is not known": {"battery_soc": None},
    "FL_calf_joint motor is not in servo mode": {"motor_mode": np.where(np.arange(12) == 5, 0, 1)},
    "a second source of LowState: a bag": {"link": dataclasses.replace(SOUND, foreign_lowstate="a bag")},
    "commands cannot be sent: no buffer": {"link": dataclasses.replace(SOUND, write_error="no buffer")},
    "LowState age": {"age": 0.06},
    "no LowState": {"lowstate": None},
    "last refused LowState: CRC": {"lowstate": None, "link": dataclasses.replace(SOUND, rejected="CRC")},
    "battery [%]: 19 (limit 20)": {"battery_soc": 19.0},
    "motor temperature": {"motor_temperature": np.full(12, 86.0)},
    "beyond its position limit": {"joint_pos": JOINT_POS_MAX + 0.16},
    "tilt": {"roll": 1.0},
    "motion switcher": {"link": dataclasses.replace(SOUND, robot_controller=None)},
    "'ai' commands the motors: diffusion-mpc release": {"link": dataclasses.replace(SOUND, robot_controller="ai")},
    "1 other program(s) publish rt/lowcmd": {"link": dataclasses.replace(SOUND, foreign_publishers=1)},
    "watchdog": {"link": dataclasses.replace(SOUND, watchdog_ready=False)},
    "SHA-256": {"link": dataclasses.replace(SOUND, artefact_error="the artefact's SHA-256 differs")},
    "milliseconds": {"link": dataclasses.replace(SOUND, clock_error="no milliseconds")},
}


def test_a_robot_that_never_tells_its_charge_stands_up_without():
    silent = dataclasses.replace(SOUND, tells_charge=False)
    started = Supervisor(SETTINGS).step(make_input(request=Event.STAND_UP, battery_soc=None, link=silent))
    assert started.mode is Mode.STANDING_UP
    # What it does tell counts.
    refused = Supervisor(SETTINGS).step(make_input(request=Event.STAND_UP, battery_soc=5.0, link=silent))
    assert refused.mode is Mode.DAMPING and "battery [%]: 5 (limit 20)" in refused.message


@pytest.mark.parametrize("words", ARMING)
def test_arming_refuses_in_words(words):
    supervisor = Supervisor(SETTINGS)
    output = supervisor.step(make_input(request=Event.STAND_UP, **ARMING[words]))
    assert output.mode is Mode.DAMPING and is_damping(output.command)
    assert output.message.startswith("stand_up refused: ") and words in output.message


def test_arming_names_every_obstacle_at_once_and_a_sound_robot_stands_up():
    supervisor = Supervisor(SETTINGS)
    refused = supervisor.step(make_input(request=Event.STAND_UP, battery_soc=5.0, link=LinkStatus())).message
    assert all(word in refused for word in ("battery", "motion switcher", "watchdog"))
    assert supervisor.step(make_input(request=Event.STAND_UP)).mode is Mode.STANDING_UP


def test_arming_is_asked_for_once_walking_may_go_on_with_less():
    supervisor = walking()
    weak = {"battery_soc": 15.0, "age": 0.08, "joint_targets": DEFAULT_JOINT_POS}
    assert supervisor.step(make_input(**weak)).mode is Mode.WALKING
    assert supervisor.step(make_input(request=Event.STAND_UP, **weak)).mode is Mode.STANDING


def test_a_state_too_old_to_go_on_with_is_too_old_to_stand_up_from():
    lax = dataclasses.replace(SETTINGS, lowstate_age_max=0.05, arming_lowstate_age_max=0.5)
    refused = Supervisor(lax).step(make_input(request=Event.STAND_UP, age=0.1))
    assert refused.mode is Mode.DAMPING and "LowState age [s]: 0.1 (limit 0.05)" in refused.message
