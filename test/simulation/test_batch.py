"""The batch simulator: dynamics by hand, latency, randomisation, resets."""

import mujoco
import numpy as np
import pytest

from diffusion_mpc_ros.core import go2, trajectory
from diffusion_mpc_ros.simulation import motors
from diffusion_mpc_ros.simulation.batch import BATCH_TIMESTEP, PHYSICS_STEPS, BatchSimulation
from diffusion_mpc_ros.simulation.model import ModelIndices, build_model
from diffusion_mpc_ros.simulation.randomization import Randomization, add_payload, randomize_models, variation


def stand(simulation: BatchSimulation, ticks: int) -> None:
    for _ in range(ticks):
        simulation.step(np.tile(go2.DEFAULT_JOINT_POS, (simulation.robots, 1)))


def test_standing_robot_carries_its_weight():
    simulation = BatchSimulation(2, seed=0, threads=1)
    stand(simulation, 75)
    state = simulation.state
    assert not state.fallen().any()
    # 15.206 kg * 9.81 m/s^2 = 149.2 N on four feet.
    np.testing.assert_allclose(state.foot_force.sum(axis=1), 149.2, rtol=0.05)
    np.testing.assert_allclose(np.linalg.norm(state.base_lin_vel_b, axis=1), 0.0, atol=0.05)


def test_same_seed_same_motion():
    first, second = (BatchSimulation(3, seed=5, randomization=Randomization(), threads=1) for _ in range(2))
    stand(first, 5)
    stand(second, 5)
    np.testing.assert_array_equal(first.state.joint_pos, second.state.joint_pos)


def test_targets_are_clipped_to_the_joint_limits():
    simulation = BatchSimulation(1, seed=0, threads=1)
    for _ in range(20):
        simulation.step(np.full((1, go2.NUM_JOINTS), 100.0))
    within = simulation.state.joint_pos <= go2.JOINT_POS_MAX + 0.15
    assert within.all()


def test_latency_delays_the_targets_by_physics_steps():
    simulation = BatchSimulation(3, seed=0, threads=1)
    start = simulation.full_state
    start.latency[:] = np.array([0, 5, 7]) * BATCH_TIMESTEP
    simulation.full_state = start
    moved = go2.DEFAULT_JOINT_POS.copy()
    moved[2] += 0.3
    targets, indices, calf = [], ModelIndices.of(simulation.nominal), 2

    def watch(robots, states, sensors):
        # tau = kp (target - q) - kd dq, in the state before the step.
        position, velocity = states[:, :-1, 1 + indices.qpos[calf]], states[:, :-1, 20 + indices.qvel[calf]]
        torque = sensors[:, :, indices.torque[calf]]
        targets.append(position + (torque + go2.WALKING_KD * velocity) / go2.WALKING_KP)

    simulation._watch = watch
    for _ in range(2):
        simulation.step(np.tile(moved, (3, 1)))
    seen = np.abs(np.concatenate(targets, axis=1) - moved[calf]) < 1e-9
    # 5 physics steps a tick: the new target is there from physics step 0, 5 and 7 on.
    np.testing.assert_array_equal(seen.argmax(axis=1), [0, 5, 7])
    assert all(row[start:].all() for row, start in zip(seen, (0, 5, 7), strict=True))


def test_push_adds_velocity():
    simulation = BatchSimulation(1, seed=0, threads=1)
    stand(simulation, 50)
    simulation.push(np.array([[0.0, 0.5, 0.0]]))
    assert np.linalg.norm(simulation.state.base_lin_vel_b[0]) == pytest.approx(0.5, abs=0.05)


def test_torque_and_power_are_those_of_a_robot_stepped_by_hand():
    simulation = BatchSimulation(3, seed=0, randomization=Randomization(nominal_fraction=0.0), threads=1)
    start = simulation.full_state
    start.latency[:] = 0.0
    simulation.full_state = start
    rng = np.random.default_rng(1)
    peak = 0.0
    for _ in range(20):
        targets = go2.DEFAULT_JOINT_POS + rng.uniform(-0.6, 0.6, size=(3, go2.NUM_JOINTS))
        before, state = simulation.full_state.rows(), simulation.step(targets)
        for robot, model in enumerate(simulation.models):
            torques, powers = step_by_hand(model, before[robot], go2.clip_joint_targets(targets[robot]))
            np.testing.assert_allclose(state.joint_torque[robot], np.mean(torques, axis=0), rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(state.mechanical_power[robot], np.mean(powers), rtol=1e-5, atol=1e-4)
            peak = max(peak, np.abs(torques / go2.JOINT_TORQUE_MAX).max())
    assert peak == pytest.approx(1.0)  # the motors' limits were met


def step_by_hand(model, state, targets):
    """Torques (steps, 12) [N m] of the motors and the sum of |torque * velocity| (steps,) [W] in one tick."""
    data, indices = mujoco.MjData(model), ModelIndices.of(model)
    mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_FULLPHYSICS)
    data.ctrl[indices.inputs[:, 0]] = targets
    torques, powers = [], []
    for _ in range(PHYSICS_STEPS):
        velocity = data.qvel[indices.qvel].copy()
        mujoco.mj_step(model, data)
        torques.append(data.actuator_force[indices.actuators].copy())
        powers.append(np.abs(torques[-1] * velocity).sum())
    return np.array(torques), np.array(powers)


def test_a_reset_leaves_what_the_other_robots_feel():
    simulation = BatchSimulation(2, seed=0, threads=1)
    stand(simulation, 50)
    before = simulation.state
    simulation.reset(np.array([True, False]))
    after = simulation.state
    for name in ("joint_torque", "mechanical_power", "foot_force", "foot_pos", "foot_vel"):
        np.testing.assert_array_equal(getattr(after, name)[1], getattr(before, name)[1])
    assert (after.foot_force[0] == 0.0).all() and after.mechanical_power[0] == 0.0
    assert before.foot_force[0].sum() > 100.0


def test_robots_start_with_their_lowest_foot_on_the_ground():
    ranges = Randomization(initial_joint_pos=(0.5, 1.5), nominal_fraction=1.0)
    simulation = BatchSimulation(20, seed=0, randomization=ranges, threads=1)
    foot_height = simulation.state.foot_pos[..., 2]
    np.testing.assert_allclose(foot_height.min(axis=1), go2.FOOT_RADIUS, atol=1e-9)
    assert np.ptp(simulation.state.base_pos[:, 2]) > 0.02
    simulation.step(simulation.state.joint_pos)
    np.testing.assert_allclose(simulation.state.foot_pos[..., 2], foot_height, atol=0.02)


def test_observation_packs_the_state_by_name():
    simulation = BatchSimulation(2, seed=0, threads=1)
    command, previous = np.array([[0.5, 0.1, -0.2]] * 2), np.tile(go2.DEFAULT_JOINT_POS, (2, 1))
    observation = simulation.state.observation(command, previous)
    assert observation.shape == (2, trajectory.OBSERVATION_DIM)
    np.testing.assert_array_equal(observation[:, trajectory.COMMAND], command)
    np.testing.assert_array_equal(observation[:, trajectory.JOINT_POS], simulation.state.joint_pos)
    np.testing.assert_array_equal(observation[:, trajectory.PREVIOUS_ACTION], previous)


def test_upside_down_robot_has_fallen():
    simulation = BatchSimulation(2, seed=0, threads=1)
    start = simulation.full_state
    start.qpos[1, 2:7] = (0.5, 0.0, 1.0, 0.0, 0.0)
    simulation.full_state = start
    np.testing.assert_array_equal(simulation.state.fallen(), [False, True])


def test_payload_moves_mass_and_centre_by_hand():
    model = build_model()
    body = ModelIndices.of(model).base
    mass, centre = model.body_mass[body], model.body_ipos[body].copy()
    inertia = model.body_inertia[body].sum()
    add_payload(model, body, 2.0, np.array([0.1, 0.0, 0.0]))
    assert model.body_mass[body] == pytest.approx(mass + 2.0)
    np.testing.assert_allclose(model.body_ipos[body], (mass * centre + 2.0 * np.array([0.1, 0, 0])) / (mass + 2.0))
    # The trace grows by 2 * m1 m2 / (m1 + m2) * d^2 (two-body parallel axis theorem).
    distance = np.sum((centre - [0.1, 0.0, 0.0]) ** 2)
    assert model.body_inertia[body].sum() - inertia == pytest.approx(2.0 * mass * 2.0 / (mass + 2.0) * distance)
    with pytest.raises(ValueError, match="leaves body"):
        add_payload(model, body, -100.0, np.zeros(3))


def test_randomised_models_stay_in_their_ranges():
    model = build_model()
    ranges = Randomization(nominal_fraction=0.25)
    models = randomize_models(model, 16, ranges, np.random.default_rng(0))
    floor, body = model.geom("floor").id, ModelIndices.of(model).base
    added = np.array([m.body_mass[body] - model.body_mass[body] for m in models])
    assert np.all(added[:4] == 0.0) and np.all((added[4:] >= 1.0) & (added[4:] <= 3.0))
    friction = np.array([m.geom_friction[floor, 0] for m in models[4:]])
    assert np.all((friction >= ranges.friction[0]) & (friction <= ranges.friction[1]))
    kp, kd = np.swapaxes([motors.gains(m, np.arange(12)) for m in models[4:]], 0, 1)
    assert np.all((kp >= 0.9 * go2.WALKING_KP) & (kp <= 1.1 * go2.WALKING_KP)) and np.ptp(kp) > 1.0
    np.testing.assert_allclose(kd / go2.WALKING_KD, kp / go2.WALKING_KP)
    assert isinstance(models[0], mujoco.MjModel)


def test_nominal_robots_have_no_latency():
    ranges = Randomization(nominal_fraction=0.5, latency=(0.005, 0.045))
    simulation = BatchSimulation(40, seed=0, randomization=ranges, threads=1)
    assert (simulation.latency_steps[:20] == 0).all()
    # 5 to 45 ms in physics steps of 4 ms.
    assert (simulation.latency_steps[20:] >= 1).all() and (simulation.latency_steps[20:] <= 11).all()


def test_variation_reads_back_what_was_made_by_hand():
    nominal = build_model()
    changed = build_model()
    indices = ModelIndices.of(nominal)
    add_payload(changed, indices.base, 2.0, np.array([0.1, -0.05, 0.02]))
    changed.geom_friction[changed.geom("floor").id, 0] = 1.5
    third = indices.actuators[3:4]
    motors.set_gains(changed, third, 0.9 * go2.WALKING_KP, 0.9 * go2.WALKING_KD)
    found = variation([nominal, changed], nominal)
    np.testing.assert_allclose(found["payload_mass"], [0.0, 2.0])
    np.testing.assert_allclose(found["payload_position"], [[0.0] * 3, [0.1, -0.05, 0.02]], atol=1e-9)
    np.testing.assert_allclose(found["friction"], [0.8, 1.5])
    np.testing.assert_allclose(found["motor_strength"], [[1.0] * 12, [1.0] * 3 + [0.9] + [1.0] * 8])
