"""Leg kinematics by hand, by finite differences, and against the MuJoCo model."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.estimation import kinematics
from diffusion_mpc_ros.simulation.model import ModelIndices, build_model

POSES = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).uniform(JOINT_POS_MIN, JOINT_POS_MAX))


def test_straight_legs_by_hand():
    feet = kinematics.leg_kinematics(np.zeros(12)).foot_pos_b
    # x = +-0.1934, y = +-(0.0465 + 0.0955) = +-0.142, z = -(0.213 + 0.213).
    x, y, z = 0.1934, 0.142, -0.426
    assert feet == pytest.approx(np.array([[x, -y, z], [x, y, z], [-x, -y, z], [-x, y, z]]))


@settings(max_examples=20, deadline=None)
@given(st.lists(POSES, min_size=2, max_size=2))
def test_feet_of_many_poses_are_those_of_each(poses):
    feet = kinematics.foot_positions(np.stack(poses)[:, None])
    assert feet.shape == (2, 1, 4, 3)
    for pose, foot in zip(poses, feet[:, 0]):
        assert foot == pytest.approx(kinematics.leg_kinematics(pose).foot_pos_b, abs=1e-12)


def test_bent_leg_by_hand():
    # Thigh +90 deg points the thigh backwards, calf -90 deg lets the shank hang: x = -0.213, z = -0.213 from the hip.
    joint_pos = np.tile([0.0, np.pi / 2, -np.pi / 2], 4)
    offset = kinematics.leg_kinematics(joint_pos).foot_pos_b - kinematics.HIP_POSITIONS_B
    assert offset[:, 0] == pytest.approx([-0.213] * 4)
    assert offset[:, 2] == pytest.approx([-0.213] * 4)


@settings(max_examples=50, deadline=None)
@given(POSES)
def test_jacobian_is_the_derivative(joint_pos):
    step = 1e-6
    jacobian = kinematics.leg_kinematics(joint_pos).jacobian_b
    for leg in range(4):
        for joint in range(3):
            delta = np.zeros(12)
            delta[3 * leg + joint] = step
            ahead = kinematics.leg_kinematics(joint_pos + delta).foot_pos_b
            behind = kinematics.leg_kinematics(joint_pos - delta).foot_pos_b
            difference = (ahead - behind) / (2 * step)
            assert difference[leg] == pytest.approx(jacobian[leg, :, joint], abs=1e-8)
            assert np.delete(difference, leg, axis=0) == pytest.approx(0.0)


def test_against_the_mujoco_model():
    model = build_model()
    data, indices, rng = mujoco.MjData(model), ModelIndices.of(model), np.random.default_rng(1)
    for _ in range(20):
        joint_pos, joint_vel = rng.uniform(JOINT_POS_MIN, JOINT_POS_MAX), rng.normal(0.0, 5.0, 12)
        data.qpos[:7], data.qvel[:] = [0, 0, 0, 1, 0, 0, 0], 0.0
        data.qpos[indices.qpos], data.qvel[indices.qvel] = joint_pos, joint_vel
        mujoco.mj_forward(model, data)
        legs = kinematics.leg_kinematics(joint_pos)
        # The model's feet sit 2 mm off the shank's axis.
        assert legs.foot_pos_b == pytest.approx(data.sensordata[indices.foot_position], abs=3e-3)
        assert kinematics.foot_velocities(legs, joint_vel) == pytest.approx(
            data.sensordata[indices.foot_velocity], abs=0.05
        )
        calves = [model.body(f"{leg}_calf").id for leg in ("FR", "FL", "RR", "RL")]
        angular_velocity = kinematics.shank_angular_velocities(legs, joint_vel)
        assert angular_velocity == pytest.approx(data.cvel[calves, :3], abs=1e-9)


def test_foot_forces_invert_the_statics():
    # Bent legs: damping 1e-7 against squared singular values of 0.006 and more.
    joint_pos = np.tile([0.1, 0.9, -1.6], 4)
    legs = kinematics.leg_kinematics(joint_pos)
    force = np.random.default_rng(0).normal(0.0, 50.0, (4, 3))
    torque = -np.einsum("lji,lj->li", legs.jacobian_b, force).ravel()
    assert kinematics.foot_forces(legs, torque) == pytest.approx(force, rel=1e-3, abs=1e-2)


def test_foot_forces_of_a_straight_leg_are_finite():
    legs = kinematics.leg_kinematics(np.zeros(12))
    assert np.isfinite(kinematics.foot_forces(legs, np.full(12, 20.0))).all()
