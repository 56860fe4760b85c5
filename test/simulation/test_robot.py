"""The single simulated Go2 against hand-worked physics."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError, JointOrderError
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.simulation.model import ModelOptions, build_spec
from diffusion_mpc_ros.simulation.robot import COMMAND_TIMEOUT, Go2Simulation, Pose, _actuators_by_joint

MASS = 15.2064
GRAVITY = 9.81
STAND = JointCommand.position(go2.DEFAULT_JOINT_POS, go2.STANDING_KP, go2.STANDING_KD)


@pytest.fixture(scope="module")
def robot() -> Go2Simulation:
    return Go2Simulation()


@pytest.fixture
def standing(robot) -> Go2Simulation:
    """On its feet, at rest, nominal ground and mass."""
    robot.set_friction(0.8)
    robot.set_payload(0.0)
    robot.reset(Pose.STANDING)
    hold(robot, STAND, ticks=50)
    return robot


def hold(robot: Go2Simulation, command: JointCommand, ticks: int):
    for _ in range(ticks):
        state = robot.step_control_tick(command)
    return state


def lift(robot: Go2Simulation, height: float) -> None:
    robot.data.qpos[2] = height
    mujoco.mj_forward(robot.model, robot.data)


# Joint order


def test_every_command_slot_moves_the_joint_of_its_name(robot):
    for index, name in enumerate(go2.JOINT_NAMES):
        robot.reset(Pose.STANDING)
        lift(robot, 2.0)
        torque = np.zeros(12)
        torque[index] = 5.0
        zeros = np.zeros(12)
        before = robot.data.joint(name).qpos[0]
        state = robot.step_control_tick(JointCommand(zeros, zeros, zeros, zeros, torque))
        assert robot.data.joint(name).qpos[0] > before + 0.005, name
        assert state.joint_pos[index] == robot.data.joint(name).qpos[0]
        assert state.joint_vel[index] == robot.data.joint(name).qvel[0]
        np.testing.assert_allclose(state.joint_torque, torque)


def test_a_model_with_another_joint_name_is_refused():
    spec = build_spec(ModelOptions())
    spec.joint("FR_calf_joint").name = "FR_knee_joint"
    next(actuator for actuator in spec.actuators if actuator.name == "FR_calf").target = "FR_knee_joint"
    for sensor in list(spec.sensors):
        if sensor.objname == "FR_calf_joint":
            spec.delete(sensor)
    with pytest.raises(JointOrderError, match="FR_calf_joint"):
        _actuators_by_joint(spec.compile())


# Motors


def test_the_pd_law_is_that_of_the_command(robot):
    robot.reset(Pose.STANDING)
    lift(robot, 2.0)
    state = robot.lowstate(0.0)
    random = np.random.default_rng(1)
    command = JointCommand(
        joint_pos=state.joint_pos + random.uniform(-0.1, 0.1, 12),
        joint_vel=random.uniform(-1.0, 1.0, 12),
        kp=random.uniform(10.0, 50.0, 12),
        kd=random.uniform(0.5, 3.0, 12),
        torque=random.uniform(-2.0, 2.0, 12),
    )
    robot.set_command(command)
    robot.step_physics()
    # The motors' torque is that of the state at the beginning of the physics step, here at rest.
    expected = command.kp * (command.joint_pos - state.joint_pos) + command.kd * command.joint_vel + command.torque
    np.testing.assert_allclose(robot.lowstate(0.0).joint_torque, expected, atol=1e-9)


def test_no_joint_gets_more_than_its_motor_gives(robot):
    robot.reset(Pose.STANDING)
    lift(robot, 2.0)
    robot.set_command(JointCommand.position(go2.DEFAULT_JOINT_POS + 0.5, 1000.0, 0.0))
    robot.step_physics()
    np.testing.assert_allclose(robot.lowstate(0.0).joint_torque, go2.JOINT_TORQUE_MAX)


def test_a_fast_joint_gets_what_the_torque_speed_line_leaves(robot):
    robot.reset(Pose.STANDING)
    lift(robot, 2.0)
    # FR hip at 21.8225 rad/s, half way between full torque and none: 23.7 / 2.
    robot.data.joint("FR_hip_joint").qvel[0] = 21.8225
    mujoco.mj_forward(robot.model, robot.data)
    robot.set_command(JointCommand.position(go2.DEFAULT_JOINT_POS + 1.0, 1000.0, 0.0))
    robot.step_physics()
    assert robot.lowstate(0.0).joint_torque[0] == pytest.approx(11.85)


def test_a_command_that_is_not_finite_is_refused(robot):
    with pytest.raises(ConfigurationError, match="not finite"):
        robot.set_command(JointCommand.damping(np.nan))


# Limp and falling


def test_without_a_command_it_falls_freely_and_limp(robot):
    robot.reset(Pose.STANDING)
    lift(robot, 2.0)
    start = robot.data.subtree_com[0, 2]
    for _ in range(100):
        robot.step_physics()
    mujoco.mj_forward(robot.model, robot.data)
    # Centre of mass: 0.5 * 9.81 * 0.2^2 = 0.1962, and half a timestep's 9.81 * 0.2 * 0.001 = 0.002 of the integrator.
    assert start - robot.data.subtree_com[0, 2] == pytest.approx(0.1982, abs=1e-4)
    assert not robot.lowstate(0.0).joint_torque.any()
    assert np.abs(robot.lowstate(0.0).base_lin_acc).max() < 1.0
    assert not robot.lowstate(0.0).foot_force.any()


def test_a_standing_robot_without_a_command_sinks_to_the_ground(standing):
    standing.reset(Pose.STANDING)
    for _ in range(750):
        standing.step_physics()
    assert standing.truth().height < 0.2
    assert np.isfinite(standing.data.qpos).all()


def test_it_goes_limp_when_commands_stop_coming(standing):
    hold(standing, STAND, ticks=1)
    already = go2.CONTROL_DT
    for _ in range(round((COMMAND_TIMEOUT - already) / standing.timestep) - 1):
        standing.step_physics()
    assert np.abs(standing.lowstate(0.0).joint_torque).max() > 1.0
    for _ in range(3):
        standing.step_physics()
    assert not standing.lowstate(0.0).joint_torque.any()
    hold(standing, STAND, ticks=1)
    assert np.abs(standing.lowstate(0.0).joint_torque).max() > 1.0


# Standing


def test_it_stands_under_pd(standing):
    before = standing.truth()
    state = hold(standing, STAND, ticks=50)
    after = standing.truth()
    # Thigh and calf 0.213 m, front thigh 0.8, calf -1.5: 0.213 (cos 0.8 + cos 0.7) + 0.022 = 0.333; the rear 0.324.
    # The springs yield by about 2 cm under the weight.
    assert 0.29 < after.height < 0.333
    assert after.height == pytest.approx(before.height, abs=2e-3)
    assert np.abs(after.lin_vel_w).max() < 0.01
    assert not standing.fallen()
    # At rest the feet carry the weight, 15.2064 * 9.81 = 149.2 N, and the accelerometer shows gravity upwards.
    assert state.foot_force.sum() == pytest.approx(MASS * GRAVITY, rel=0.01)
    assert (state.foot_force > go2.FOOT_FORCE_CONTACT).all()
    np.testing.assert_allclose(state.base_lin_acc, [0.0, 0.0, GRAVITY], atol=0.1)
    np.testing.assert_allclose(state.base_ang_vel, 0.0, atol=0.01)


def test_the_imu_is_where_the_robots_is(robot):
    site = robot.model.site("imu")
    np.testing.assert_allclose(site.pos, go2.IMU_POSITION_B)
    np.testing.assert_allclose(site.quat, [1.0, 0.0, 0.0, 0.0])


def test_the_sensors_agree_with_mujocos_own(standing):
    standing.push(np.array([60.0, 40.0, 0.0]), 0.1)
    state = hold(standing, STAND, ticks=4)
    mujoco.mj_forward(standing.model, standing.data)
    np.testing.assert_allclose(state.base_ang_vel, standing.data.sensor("imu_gyro").data, atol=1e-9)
    np.testing.assert_allclose(np.abs(state.base_quat_wxyz), np.abs(standing.data.sensor("imu_quat").data), atol=1e-9)
    truth = standing.truth()
    velocity = np.zeros(6)
    mujoco.mj_objectVelocity(
        standing.model, standing.data, mujoco.mjtObj.mjOBJ_XBODY, standing.model.body("base").id, velocity, 1
    )
    np.testing.assert_allclose(truth.lin_vel_b, velocity[3:], atol=1e-9)
    np.testing.assert_allclose(truth.ang_vel_b, velocity[:3], atol=1e-9)


def test_tick_counts_simulated_milliseconds(standing):
    standing.reset(Pose.STANDING)
    ticks = [standing.step_control_tick(STAND).tick_ms for _ in range(3)]
    assert ticks == [20, 40, 60]


def test_work_warms_the_motors_and_drains_the_battery(standing):
    standing.reset(Pose.STANDING)
    first = standing.lowstate(0.0)
    last = hold(standing, STAND, ticks=50)
    calves = slice(2, None, 3)
    # A calf that carries the robot gives at least 3 N m: 0.002 * (3 / 1.917)^2 = 0.005 deg in the second.
    assert (last.motor_temperature[calves] > first.motor_temperature[calves] + 0.005).all()
    # At least the electronics' 30 J of one second, of 829440 J.
    assert 99.9 < last.battery_soc < 100.0 - 100.0 * 30.0 / 829440.0


def test_motors_say_servo_while_they_follow_a_command(robot):
    robot.reset(Pose.LYING)
    assert robot.lowstate(0.0).motor_mode.tolist() == [0] * 12
    robot.set_command(JointCommand.damping(3.0))
    robot.step_physics()
    assert robot.lowstate(0.0).motor_mode.tolist() == [1] * 12
    for _ in range(round(COMMAND_TIMEOUT / robot.timestep) + 1):
        robot.step_physics()
    assert robot.lowstate(0.0).motor_mode.tolist() == [0] * 12


# Poses


@pytest.mark.parametrize("pose", list(Pose))
def test_reset_puts_the_feet_on_the_ground(robot, pose):
    robot.reset(pose, yaw=0.5)
    lowest = min(robot.data.geom(leg).xpos[2] for leg in go2.LEGS) - go2.FOOT_RADIUS
    assert lowest == pytest.approx(0.002, abs=1e-6)
    assert robot.truth().quat_wxyz[3] == pytest.approx(np.sin(0.25))
    assert not robot.data.qvel.any()


def test_reset_forgets_command_push_and_wear(standing):
    standing.push(np.array([100.0, 0.0, 0.0]), 1.0)
    hold(standing, STAND, ticks=10)
    standing.reset(Pose.STANDING)
    state = standing.lowstate(0.0)
    assert (state.tick_ms, state.battery_soc, state.motor_temperature.max()) == (0, 100.0, 30.0)
    standing.step_physics()
    assert not standing.lowstate(0.0).joint_torque.any()
    assert not standing.data.xfrc_applied.any()


# Push, friction, payload


def test_a_push_gives_its_impulse(robot):
    robot.set_payload(0.0)
    robot.reset(Pose.STANDING)
    lift(robot, 5.0)
    stiff = JointCommand.position(go2.DEFAULT_JOINT_POS, 200.0, 5.0)
    robot.push(np.array([152.064, 0.0, 0.0]), 0.1)
    hold(robot, stiff, ticks=10)
    mujoco.mj_subtreeVel(robot.model, robot.data)
    # 152.064 N for 0.1 s on 15.2064 kg: 1 m/s, in flight, and none after the end of the push.
    assert robot.data.subtree_linvel[0, 0] == pytest.approx(1.0, rel=1e-3)
    assert robot.data.subtree_linvel[0, 1] == pytest.approx(0.0, abs=1e-3)
    assert not robot.data.xfrc_applied.any()


@pytest.mark.parametrize(
    ("force", "duration"), [([np.nan, 0, 0], 0.1), ([1, 2], 0.1), ([1, 0, 0], 0.0), ([1, 0, 0], np.inf)]
)
def test_a_push_that_is_none_is_refused(robot, force, duration):
    with pytest.raises(ConfigurationError, match="push"):
        robot.push(np.array(force, dtype=float), duration)


def test_a_payload_weighs_on_the_feet(standing):
    standing.set_payload(4.0, np.array([0.1, 0.0, 0.08]))
    state = hold(standing, STAND, ticks=100)
    assert state.foot_force.sum() == pytest.approx((MASS + 4.0) * GRAVITY, rel=0.01)
    # In front of the middle it loads the front feet more than an unloaded robot's.
    front_share = state.foot_force[:2].sum() / state.foot_force.sum()
    standing.set_payload(4.0, np.array([-0.1, 0.0, 0.08]))
    state = hold(standing, STAND, ticks=100)
    assert front_share > state.foot_force[:2].sum() / state.foot_force.sum() + 0.05
    standing.set_payload(0.0)
    assert standing.model.body_mass.sum() == pytest.approx(MASS, abs=1e-3)


def test_a_payload_keeps_the_motion(standing):
    before = standing.truth()
    standing.set_payload(3.0)
    np.testing.assert_array_equal(standing.truth().position, before.position)
    np.testing.assert_array_equal(standing.truth().lin_vel_w, before.lin_vel_w)


def test_weak_motors_give_their_share_of_the_torque(standing):
    strength = np.ones(go2.NUM_JOINTS)
    strength[1] = 0.7  # the front right thigh
    standing.set_motor_strength(strength)
    offset = JointCommand.position(standing.data.qpos[standing._indices.qpos] + 0.1, 40.0, 0.0)
    standing.set_command(offset)
    standing.step_physics()
    # Before anything moves: 40 N m/rad * 0.1 rad = 4 N m, 2.8 N m of the weak one.
    torque = standing.data.actuator_force[standing._actuators]
    np.testing.assert_allclose(torque, 4.0 * strength, rtol=0.15)
    assert torque[1] / np.delete(torque, 1).mean() == pytest.approx(0.7, rel=0.1)
    standing.set_motor_strength(np.ones(go2.NUM_JOINTS))
    for bad in (np.ones(3), np.zeros(12), np.full(12, np.inf)):
        with pytest.raises(ConfigurationError, match="12 motor strengths"):
            standing.set_motor_strength(bad)


def test_on_ice_a_push_slides_the_feet(standing):
    def slide(friction: float) -> float:
        standing.reset(Pose.STANDING)
        standing.set_friction(friction)
        hold(standing, STAND, ticks=25)
        start = standing.data.geom("FR").xpos[:2].copy()
        # 40 N sideways: under 0.8 * 149 N of friction, over 0.05 * 149 N = 7.5 N.
        standing.push(np.array([0.0, 40.0, 0.0]), 0.3)
        hold(standing, STAND, ticks=20)
        return float(np.linalg.norm(standing.data.geom("FR").xpos[:2] - start))

    assert slide(0.05) > 0.05
    assert slide(0.8) < 0.01


@pytest.mark.parametrize("friction", [0.0, -1.0, np.nan, np.inf])
def test_a_friction_that_is_none_is_refused(robot, friction):
    with pytest.raises(ConfigurationError, match="friction"):
        robot.set_friction(friction)


@pytest.mark.parametrize(("mass", "position"), [(-1.0, [0, 0, 0]), (np.nan, [0, 0, 0]), (1.0, [0, 0])])
def test_a_payload_that_is_none_is_refused(robot, mass, position):
    with pytest.raises(ConfigurationError, match="payload"):
        robot.set_payload(mass, np.array(position, dtype=float))


def test_a_timestep_that_does_not_divide_the_tick_is_refused():
    with pytest.raises(ConfigurationError, match="0.003"):
        Go2Simulation(ModelOptions(timestep=0.003))


def test_lock_step_is_reproducible(robot):
    def run() -> np.ndarray:
        robot.set_friction(0.8)
        robot.set_payload(0.0)
        robot.reset(Pose.LYING)
        robot.push(np.array([30.0, 10.0, 0.0]), 0.2)
        return hold(robot, STAND, ticks=25).joint_pos

    np.testing.assert_array_equal(run(), run())


def test_the_remote_is_heard_until_it_is_out_of_reach(robot):
    assert robot.lowstate(0.0).wireless_remote == bytes(40)
    message = bytes(range(40))
    robot.set_remote(message)
    # Heard for 0.5 s: 25 ticks.
    assert hold(robot, STAND, ticks=24).wireless_remote == message
    assert hold(robot, STAND, ticks=2).wireless_remote == bytes(40)
    robot.set_remote(message)
    robot.reset(Pose.LYING)
    assert robot.lowstate(0.0).wireless_remote == bytes(40)


@pytest.mark.parametrize("length", [0, 39, 41])
def test_a_remote_of_another_length_is_refused(robot, length):
    with pytest.raises(ConfigurationError, match="40 bytes"):
        robot.set_remote(bytes(length))
