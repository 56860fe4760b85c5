"""The compiled model against the constants of the project."""

import mujoco
import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.simulation.model import ModelIndices, ModelOptions, build_model


@pytest.fixture(scope="module")
def model():
    return build_model()


def test_joint_limits_are_the_models(model):
    for index, name in enumerate(go2.JOINT_NAMES):
        np.testing.assert_allclose(model.joint(name).range, [go2.JOINT_POS_MIN[index], go2.JOINT_POS_MAX[index]])


def test_torque_limits_reach_the_actuators_of_the_same_joint(model):
    indices = ModelIndices.of(model)
    np.testing.assert_allclose(model.actuator_forcerange[indices.actuators, 1], go2.JOINT_TORQUE_MAX)
    driven = model.actuator_trnid[indices.actuators, 0]
    assert [model.joint(j).name for j in driven] == list(go2.JOINT_NAMES)


def test_leg_geometry_matches_the_model(model):
    for leg, x_sign, y_sign in (("FR", 1, -1), ("FL", 1, 1), ("RR", -1, -1), ("RL", -1, 1)):
        expected = [x_sign * go2.HIP_OFFSET_X, y_sign * go2.HIP_OFFSET_Y, 0.0]
        np.testing.assert_allclose(model.body(f"{leg}_hip").pos, expected)
        np.testing.assert_allclose(model.body(f"{leg}_thigh").pos, [0.0, y_sign * go2.ABDUCTION_LENGTH, 0.0])
        np.testing.assert_allclose(model.body(f"{leg}_calf").pos, [0.0, 0.0, -go2.THIGH_LENGTH])
    np.testing.assert_allclose(model.site("imu").pos, go2.IMU_POSITION_B, atol=1e-4)


def test_mass_and_collision_geometry_are_complete(model):
    assert model.body_subtreemass[0] == pytest.approx(15.206, abs=1e-3)
    colliding = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    # 7 on the trunk and 6 on each leg (hip, thigh, three on the calf, foot), and the floor.
    assert colliding.sum() == 7 + 4 * 6 + 1


def test_floor_friction_decides_alone():
    model = build_model(ModelOptions(friction=0.37))
    data = mujoco.MjData(model)
    data.qpos[2], data.qpos[3] = 0.25, 1.0
    data.qpos[ModelIndices.of(model).qpos] = go2.DEFAULT_JOINT_POS
    mujoco.mj_forward(model, data)
    assert data.ncon > 0
    assert data.contact.friction[:, 0] == pytest.approx(0.37)
