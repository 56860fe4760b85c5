"""The pendulum of the balancing trials: by hand, swinging free, and against a standing robot."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from diffusion_mpc_ros.core import go2, rotations
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation.batch import BATCH_TIMESTEP, BatchSimulation
from diffusion_mpc_ros.simulation.model import ModelIndices, ModelOptions, build_model, build_spec
from diffusion_mpc_ros.simulation.pendulum import TRUNK_HALF_WIDTH, Pendulum, PendulumSimulation, add_pendulum

PENDULUM = Pendulum()
ABOVE = np.array([0.0, 0.0, 5.0])


def stand(simulation: BatchSimulation, ticks: int) -> None:
    for _ in range(ticks):
        simulation.step(np.tile(go2.DEFAULT_JOINT_POS, (simulation.robots, 1)))


def energy(pendulum: Pendulum, angle: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Of a solid ball on a rod [J], 0 at rest at the lowest point."""
    inertia = pendulum.mass * (pendulum.length**2 + 0.4 * pendulum.radius**2)
    return 0.5 * inertia * rate**2 + pendulum.mass * 9.81 * pendulum.length * (1.0 - np.cos(angle))


@pytest.mark.parametrize(
    # sqrt(2 x 9.81 x 1.2 x 0.5), sqrt(2 x 9.81 x 1.2 x 1), sqrt(2 x 9.81 x 1.2 x 1.5)
    ("degrees", "speed"), [(60.0, 3.431), (90.0, 4.852), (-90.0, 4.852), (120.0, 5.943)],
)  # fmt: skip
def test_speed_at_the_bottom_by_hand(degrees, speed):
    assert PENDULUM.speed_at_bottom(np.deg2rad(degrees)) == pytest.approx(speed, abs=1e-3)


def test_fall_time_is_a_quarter_of_the_period():
    # sqrt(1.2 / 9.81) = 0.34975 s: times pi / 2 for small angles, times K(sin 45 deg) = 1.85407 for 90 degrees.
    assert PENDULUM.fall_time(1e-4) == pytest.approx(0.54939, abs=1e-4)
    assert PENDULUM.fall_time(np.pi / 2) == pytest.approx(0.64846, abs=1e-4)


def test_a_ball_of_steel_weighs_what_it_should():
    assert 7850.0 * 4.0 / 3.0 * np.pi * PENDULUM.radius**3 == pytest.approx(PENDULUM.mass, rel=0.02)


def test_a_free_swing_keeps_its_energy_and_is_at_the_bottom_in_time():
    simulation = PendulumSimulation(3, seed=0, threads=1)
    angles = np.deg2rad([60.0, -90.0, 120.0])
    simulation.release(np.arange(3), np.tile(ABOVE, (3, 1)), np.zeros(3), angles)
    start, fastest, crossed = energy(PENDULUM, angles, np.zeros(3)), np.zeros(3), np.zeros(3)
    for tick in range(1, 150):
        stand(simulation, 1)
        angle, rate = simulation.swing
        np.testing.assert_allclose(energy(PENDULUM, angle, rate), start, rtol=0.02)
        fastest = np.maximum(fastest, np.abs(rate) * PENDULUM.length)
        crossed = np.where((crossed == 0.0) & (angle * angles <= 0.0), tick * go2.CONTROL_DT, crossed)
    np.testing.assert_allclose(fastest, [PENDULUM.speed_at_bottom(angle) for angle in angles], rtol=0.01)
    # Seen at the end of the tick in which it happens.
    late = crossed - [PENDULUM.fall_time(angle) for angle in angles]
    assert (late > -0.005).all() and (late < go2.CONTROL_DT + 0.005).all()
    assert np.isnan(simulation.impact_speed).all()


def test_it_hangs_still_and_out_of_reach_until_it_is_released():
    simulation, alone = PendulumSimulation(2, seed=4, threads=1), BatchSimulation(2, seed=4, threads=1)
    stand(simulation, 40)
    stand(alone, 40)
    np.testing.assert_array_equal(simulation.swing, np.zeros((2, 2)))
    # Nothing that the robots feel or that the state is read from has moved.
    for name, values in vars(alone.state).items():
        np.testing.assert_allclose(getattr(simulation.state, name), values, atol=1e-6, err_msg=name)
    simulation.push(np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 0.0]]))
    assert np.linalg.norm(simulation.state.base_lin_vel_b[0]) == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(simulation.swing, np.zeros((2, 2)))


def strike(degrees: np.ndarray, sides: np.ndarray, robots: np.ndarray) -> tuple[PendulumSimulation, np.ndarray]:
    """Standing robots, those named struck at the lowest point; also the left directions ``(B, 3)``."""
    simulation = PendulumSimulation(len(degrees), seed=1, threads=1)
    stand(simulation, 40)
    heading = rotations.yaw(simulation.state.base_quat_wxyz)
    left = np.column_stack([-np.sin(heading), np.cos(heading), np.zeros_like(heading)])
    pivot = simulation.state.base_pos + sides[:, None] * left * (TRUNK_HALF_WIDTH + PENDULUM.radius)
    pivot[:, 2] += PENDULUM.length
    simulation.release(robots, pivot[robots], heading[robots], (sides * np.deg2rad(degrees))[robots])
    return simulation, left


def test_it_strikes_the_trunk_with_the_speed_of_the_formula_and_pushes_it_away():
    degrees, sides = np.array([60.0, 90.0, 120.0, 90.0, 90.0]), np.array([1.0, 1.0, 1.0, -1.0, 1.0])
    struck = np.arange(4)
    simulation, left = strike(degrees, sides, struck)
    start = simulation.state.base_pos.copy()
    stand(simulation, 45)
    expected = [PENDULUM.speed_at_bottom(np.deg2rad(angle)) for angle in degrees[struck]]
    np.testing.assert_allclose(simulation.impact_speed[struck], expected, rtol=0.02)
    assert simulation.on_trunk[struck].all()
    moved = np.sum((simulation.state.base_pos - start) * left, axis=1) * sides
    assert (moved[struck] < -0.02).all()
    # The last robot's pendulum was not released.
    assert np.isnan(simulation.impact_speed[4]) and not simulation.on_trunk[4] and abs(moved[4]) < 0.005


def test_the_impact_gives_nobody_more_energy_than_the_ball_had():
    # A sweep of the angle: the ball meets the trunk anywhere between two physics steps.
    degrees = np.linspace(85.0, 95.0, 24)
    simulation, _ = strike(degrees, np.ones(24), np.arange(24))
    for _ in range(50):
        struck = ~np.isnan(simulation.impact_speed)
        stand(simulation, 1)
        _, rate = simulation.swing
        assert (np.abs(rate[struck]) * PENDULUM.length < 0.5 * simulation.impact_speed[struck]).all()
        speed = np.linalg.norm(simulation.state.base_lin_vel_b, axis=1)[struck]
        # 3.8 kg on a trunk of 6.9 kg, plastically: 0.36 of the ball's speed, more than the whole robot's 0.2.
        assert (speed < 0.5 * simulation.impact_speed[struck]).all()
    assert not np.isnan(simulation.impact_speed).any()


def test_it_touches_the_robot_and_never_the_floor():
    spec = build_spec(ModelOptions(timestep=BATCH_TIMESTEP))
    add_pendulum(spec, PENDULUM)
    model = spec.compile()
    data = mujoco.MjData(model)
    ball, base = model.geom("pendulum").id, model.joint("pendulum").qposadr[0]
    data.qpos[ModelIndices.of(model).qpos], data.qpos[2], data.qpos[3] = go2.DEFAULT_JOINT_POS, 3.0, 1.0

    def touched(position: np.ndarray) -> set[int]:
        model.body_pos[model.body("pendulum").id] = position + [0.0, 0.0, PENDULUM.length]
        mujoco.mj_forward(model, data)
        pairs = [(int(contact.geom1), int(contact.geom2)) for contact in data.contact[: data.ncon]]
        return {geom for pair in pairs if ball in pair for geom in pair if geom != ball}

    assert touched(np.array([1.0, 0.0, 0.5 * PENDULUM.radius])) == set()
    assert touched(np.array([0.0, 0.0, 3.0]))
    foot = data.geom_xpos[model.geom("FR").id].copy()
    assert model.geom("FR").id in touched(foot)
    assert data.qpos[base] == 0.0


def test_the_pendulum_comes_after_the_robot():
    model, alone = PendulumSimulation(1, seed=0, threads=1).nominal, build_model(ModelOptions(timestep=BATCH_TIMESTEP))
    assert (model.nq, model.nv) == (alone.nq + 1, alone.nv + 1)
    assert model.joint("pendulum").qposadr[0] == alone.nq
    for with_it, without in zip(vars(ModelIndices.of(model)).values(), vars(ModelIndices.of(alone)).values()):
        assert np.array_equal(with_it, without) or with_it == without


def test_a_scene_that_does_not_begin_with_the_robot_is_refused():
    with pytest.raises(ConfigurationError, match=r"divides 0.02 s.*steps of 0.003 s"):
        BatchSimulation(1, seed=0, threads=1, model=build_model(ModelOptions(timestep=0.003)))
    moving = '<body name="{}"><freejoint/><geom size="0.1"/></body>'
    bodies = moving.format("ball") + moving.format("base")
    text = f'<mujoco><option timestep="0.004"/><worldbody>{bodies}</worldbody></mujoco>'
    with pytest.raises(ConfigurationError, match=r"has it at \(7, 6\)"):
        BatchSimulation(1, seed=0, threads=1, model=mujoco.MjModel.from_xml_string(text))
