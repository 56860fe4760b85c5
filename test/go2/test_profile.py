"""Robot profiles: what their files may say, and what a robot that leaves signals out is heard to say."""

from __future__ import annotations

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import MOTOR_MODE_SERVO
from diffusion_mpc_ros.go2 import messages
from diffusion_mpc_ros.go2.channels import LOWSTATE, lowstate_of
from diffusion_mpc_ros.go2.crc import low_level_crc
from diffusion_mpc_ros.go2.messages import SampleError
from diffusion_mpc_ros.go2.profile import GO2, SIGNALS, check_place, load_profile, parse_profile, profile_names
from diffusion_mpc_ros.go2.wire import LOWSTATE as LAYOUT

SIMULATOR = load_profile("unitree_mujoco")
VALID = {"simulated": True, "missing": ["tick"], "lowstate_rate": 200, "command_rate": 250, "kd_max": 2.0}


def bare_sample(**fields) -> bytes:
    """What Unitree's simulator sends of a robot at rest: a quaternion, joints, and zeros."""
    record = LAYOUT.zeros()
    record["imu_state"]["quaternion"] = (1.0, 0.0, 0.0, 0.0)
    record["motor_state"]["q"][:12] = 0.5
    for name, value in fields.items():
        record[name] = value
    return LAYOUT.pack(record)


def test_the_shipped_profiles():
    assert profile_names() == ("go2", "unitree_mujoco")
    assert load_profile("go2") == GO2
    assert SIMULATOR.simulated and SIMULATOR.missing == set(SIGNALS)
    assert SIMULATOR.lowstate_rate == 200.0 and SIMULATOR.commands_per_tick == 4


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match="no robot profile '../x'; there are .'go2', 'unitree_mujoco'"):
        load_profile("../x")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "must give exactly"),
        ([VALID], "must give exactly"),
        ({**VALID, "crc": False}, "must give exactly"),
        ({**VALID, "simulated": "yes"}, "simulated = 'yes': needed is true or false"),
        ({**VALID, "missing": "tick"}, "missing = 'tick': needed is a list"),
        ({**VALID, "missing": ["joint_pos"]}, "missing must list some of"),
        ({**VALID, "missing": [["tick"]]}, "missing = .*: needed is text"),
        ({**VALID, "simulated": False}, "only a simulator may leave out .'tick'."),
        ({**VALID, "simulated": False, "missing": []}, "only a simulator may be damped less"),
        ({**VALID, "lowstate_rate": 50}, "lowstate_rate = .*: needed is a number in 100 .. 5000 Hz"),
        ({**VALID, "lowstate_rate": float("nan")}, "lowstate_rate = .*: needed is a number in 100 .. 5000 Hz"),
        ({**VALID, "lowstate_rate": True}, "lowstate_rate = .*: needed is a number in 100 .. 5000 Hz"),
        ({**VALID, "command_rate": 333}, "multiple of 50 Hz"),
        ({**VALID, "command_rate": 550}, "needed is a whole number in 50 .. 500 Hz"),
        ({**VALID, "command_rate": 0}, "in 50 .. 500 Hz"),
        ({**VALID, "command_rate": 50.0}, "needed is a whole number"),
        ({**VALID, "kd_max": 0.0}, "kd_max = .*: needed is a number in 1 .. 5 N m s/rad"),
        ({**VALID, "kd_max": 50}, "kd_max = .*: needed is a number in 1 .. 5 N m s/rad"),
        ({**VALID, "kd_max": "2"}, "kd_max = .*: needed is a number in 1 .. 5 N m s/rad"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_words(content, reason):
    with pytest.raises(ConfigurationError, match=reason):
        parse_profile("mine", content, "mine.yaml")


def test_a_simulators_profile_stays_off_network_cards_unless_asked():
    check_place(SIMULATOR, loopback=True, simulator_on_network=False)
    check_place(SIMULATOR, loopback=False, simulator_on_network=True)
    check_place(GO2, loopback=False, simulator_on_network=False)
    with pytest.raises(ConfigurationError, match="on a network card a real robot may answer"):
        check_place(SIMULATOR, loopback=False, simulator_on_network=False)


def test_what_is_declared_missing_is_filled_in():
    state = lowstate_of(SIMULATOR).decode(bare_sample(), 12.3456)
    assert state.tick_ms == 12346
    assert (state.motor_mode == MOTOR_MODE_SERVO).all()
    assert state.battery_soc is None and not state.foot_force.any()
    assert state.joint_pos == pytest.approx(np.full(12, 0.5))


def test_a_clock_of_the_receiver_wraps_as_the_robots_own():
    assert lowstate_of(SIMULATOR).decode(bare_sample(), 2**32 * 1e-3 + 1.0).tick_ms == 1000


def test_for_a_go2_all_of_it_stays_compulsory():
    with pytest.raises(SampleError, match="CRC 0x00000000.*needs its robot profile .unitree_mujoco."):
        LOWSTATE.decode(bare_sample(), 1.0)
    with pytest.raises(SampleError, match="CRC 0x00000000"):
        lowstate_of(GO2).decode(bare_sample(), 1.0)


def test_what_is_said_although_it_is_declared_missing_counts():
    record = LAYOUT.copy(LAYOUT.unpack(bare_sample(tick=77)))
    record["motor_state"]["mode"][3] = MOTOR_MODE_SERVO
    record["crc"] = low_level_crc(record)
    state = lowstate_of(SIMULATOR).decode(LAYOUT.pack(record), 1.0)
    assert state.tick_ms == 77
    # A motor that says that it idles among others that do not.
    assert state.motor_mode.tolist() == [0, 0, 0, MOTOR_MODE_SERVO, *[0] * 8]
    with pytest.raises(SampleError, match="CRC 0x00000001"):
        messages.decode_lowstate(bare_sample(crc=1), 1.0, SIMULATOR.missing)


def test_nothing_else_may_be_missing():
    with pytest.raises(SampleError, match="unit quaternion"):
        messages.decode_lowstate(LAYOUT.pack(LAYOUT.zeros()), 1.0, SIMULATOR.missing)
