"""A declared robot in the physics: what it weighs, what its motors give, on which ground it stands."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.declared_model import NOMINAL, DeclaredModel
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.nodes.settings import Go2SimulatorSettings
from diffusion_mpc_ros.simulation.declaration import declare
from diffusion_mpc_ros.simulation.model import ModelIndices, build_model
from diffusion_mpc_ros.simulation.planner_models import planner_model
from diffusion_mpc_ros.simulation.robot import Go2Simulation
from diffusion_mpc_ros.simulation.rollout import Rollouts
from diffusion_mpc_ros.simulation.state import State


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return planner_model("elliptic_10ms")


def test_nothing_declared_changes_nothing(model) -> None:
    same = declare(model, NOMINAL)
    for name in ("body_mass", "geom_friction", "geom_quat", "actuator_gainprm", "actuator_forcerange"):
        np.testing.assert_array_equal(getattr(same, name), getattr(model, name))


def test_a_payload_weighs_where_it_is(model) -> None:
    heavy, base = declare(model, DeclaredModel(6.0, (0.1, 0.0, 0.2))), ModelIndices.of(model).base
    assert heavy.body_mass.sum() == pytest.approx(model.body_mass.sum() + 6.0)
    moment = heavy.body_mass[base] * heavy.body_ipos[base] - model.body_mass[base] * model.body_ipos[base]
    np.testing.assert_allclose(moment, 6.0 * np.array([0.1, 0.0, 0.2]), atol=1e-9)
    assert model.body_mass[base] < heavy.body_mass[base]  # the one that was given stays as it is


def test_the_simulated_robot_carries_its_payload_where_a_declared_one_is() -> None:
    """Both by default: ``go2_simulator.payload=6`` is what ``declare payload 6`` says."""
    simulated, settings = Go2Simulation(), Go2SimulatorSettings(payload=6.0)
    simulated.set_payload(settings.payload, settings.payload_position)
    models = simulated.model, declare(build_model(), DeclaredModel(payload_mass=6.0))
    masses, centres = [], []
    for each in models:
        data = mujoco.MjData(each)
        mujoco.mj_forward(each, data)
        masses.append(each.body_mass.sum())
        centres.append(each.body_mass @ (data.xipos - data.body("base").xpos) / each.body_mass.sum())
    assert masses[0] == pytest.approx(masses[1], abs=1e-3)
    np.testing.assert_allclose(centres[0], centres[1], atol=1e-5)


@pytest.mark.parametrize("speed", [0.0, 8.0, -8.0, 25.0])
@pytest.mark.parametrize("error", [0.1, -0.5, 3.0])
def test_a_weak_motor_gives_its_share_of_the_torque_always(model, speed: float, error: float) -> None:
    weak, indices = declare(model, NOMINAL.with_numbers({"FL_calf": 0.4})), ModelIndices.of(model)
    torques = []
    for each in (model, weak):
        data = mujoco.MjData(each)
        data.qpos[2], data.qpos[3], data.qpos[indices.qpos] = 1.0, 1.0, go2.DEFAULT_JOINT_POS
        data.qvel[indices.qvel] = speed
        data.ctrl[indices.inputs[:, 0]] = go2.DEFAULT_JOINT_POS + error
        mujoco.mj_forward(each, data)
        torques.append(data.actuator_force[indices.actuators])
    share = np.where(np.arange(12) == 5, 0.4, 1.0)
    np.testing.assert_allclose(torques[1], share * torques[0], rtol=1e-9)


@pytest.mark.parametrize("direction", [0.0, 120.0])
def test_who_stands_on_a_declared_slope_touches_it(model, direction: float) -> None:
    declared = DeclaredModel(slope=8.0, slope_direction=direction, friction=1.0)
    rollouts = Rollouts(declare(model, declared), threads=1, ground=declared.ground_height)
    # Parallel to the ground: the shortest turn from the vertical to the normal.
    x, y, z = declared.normal
    turn = np.array([1.0 + z, -y, x, 0.0]) / np.sqrt(2.0 * (1.0 + z))
    standing = RobotState.standing()
    standing.base_quat_wxyz[:] = turn
    start = State.of(standing, rollouts.model, ground=declared.ground_height)
    assert start.qpos[0, 2] == pytest.approx(go2.STANDING_HEIGHT, abs=1e-3)  # the ground under the middle is at 0
    done = rollouts.run(start, np.tile(go2.DEFAULT_JOINT_POS, (1, 1, 25, 1)))
    assert (done.ticks.foot_force[0, 0, -1] > 5.0).all() and not done.ticks.fallen().any()
    np.testing.assert_allclose(done.ticks.foot_height[0, 0, -1], go2.FOOT_RADIUS, atol=0.01)
    assert done.ticks.base_height[0, 0, -1] == pytest.approx(0.3, abs=0.03)
