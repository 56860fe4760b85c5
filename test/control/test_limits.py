"""Clamps of the joint command, by hand."""

import numpy as np
import pytest

from diffusion_mpc_ros.control.limits import limit_command
from diffusion_mpc_ros.control.motions import PoseMotion
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, JOINT_POS_MIN
from diffusion_mpc_ros.core.resources import config_file

SETTINGS = load_safety_settings(config_file("safety.yaml"))
HIP, THIGH, CALF = np.eye(12)[:3]


def limit(targets, kp=40.0, kd=1.0, previous=DEFAULT_JOINT_POS, joint_pos=DEFAULT_JOINT_POS, joint_vel=None):
    joint_vel = np.zeros(12) if joint_vel is None else joint_vel
    return limit_command(
        targets, kp, kd, previous_targets=previous, joint_pos=joint_pos, joint_vel=joint_vel, settings=SETTINGS
    )


def test_nothing_is_changed_inside_the_limits():
    targets = DEFAULT_JOINT_POS + 0.5
    limited = limit(targets)
    assert (limited.command.joint_pos == targets).all() and not limited.clamped.any()
    assert (limited.command.kp == 40.0).all() and (limited.command.kd == 1.0).all()


def test_torque_moves_the_target():
    # Thigh: 23.7 N m / 40 N m/rad = 0.5925 rad of lead at rest.
    limited = limit(DEFAULT_JOINT_POS + 0.9 * THIGH)
    assert limited.command.joint_pos[1] == pytest.approx(0.8 + 0.5925)
    # Moving with 4 rad/s, damping takes 4 N m: (23.7 + 4) / 40 = 0.6925 rad.
    limited = limit(DEFAULT_JOINT_POS + 0.9 * THIGH, joint_vel=4.0 * THIGH)
    assert limited.command.joint_pos[1] == pytest.approx(0.8 + 0.6925)
    assert limited.clamped.tolist() == [False, True] + [False] * 10


def test_rate_and_position_bound_the_target():
    # 50 rad/s * 0.02 s = 1 rad from the last target; the joint is close by, so torque does not bind.
    far = DEFAULT_JOINT_POS + 1.4 * THIGH
    assert limit(far, joint_pos=far).command.joint_pos[1] == pytest.approx(1.8)
    low = JOINT_POS_MIN.copy()
    assert (limit(low - 0.2, previous=low, joint_pos=low).command.joint_pos == low).all()


def test_gains_shrink_where_no_target_respects_torque_and_rate():
    # The joint is 1.5 rad ahead of the rate window's end: 40 * 1.5 = 60 N m, so gains scale by 23.7 / 60 = 0.395.
    joint_pos = DEFAULT_JOINT_POS + 2.5 * THIGH
    command = limit(joint_pos, joint_pos=joint_pos).command
    assert command.joint_pos[1] == pytest.approx(1.8)
    assert command.kp[1] == pytest.approx(40.0 * 0.395) and command.kd[1] == pytest.approx(0.395)


def test_zero_stiffness_is_finite():
    command = limit(DEFAULT_JOINT_POS, kp=0.0, kd=5.0, joint_vel=np.full(12, 20.0)).command
    # 5 * 20 = 100 N m is scaled to 23.7 at the thigh.
    assert np.isfinite(command.joint_pos).all() and command.kd[1] == pytest.approx(5.0 * 0.237)


def test_pose_motion_by_hand():
    motion = PoseMotion(np.zeros(12), [(np.ones(12), 1.0), (3 * np.ones(12), 2.0)])
    assert motion.duration == 3.0
    # Smoothstep: 3/16 - 2/64 = 0.15625 at a quarter, one half in the middle.
    poses = [motion.at(time)[0] for time in (-1.0, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 9.0)]
    assert poses == pytest.approx([0.0, 0.0, 0.15625, 0.5, 1.0, 2.0, 3.0, 3.0])
