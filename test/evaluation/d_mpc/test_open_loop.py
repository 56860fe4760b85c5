"""What `evaluate d-mpc` measures with: dead reckoning and errors by hand, recorded stretches, predictors in a row."""

from dataclasses import replace

import numpy as np
import pytest
from d_mpc_models import ROWS, description

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.transition import BASE_ANG_VEL, BASE_HEIGHT, BASE_LIN_VEL, JOINT_POS
from diffusion_mpc_ros.evaluation.d_mpc import predictors
from diffusion_mpc_ros.evaluation.d_mpc.changes import CHANGES
from diffusion_mpc_ros.evaluation.d_mpc.open_loop import errors
from diffusion_mpc_ros.evaluation.d_mpc.recording import bursts, dead_reckoning, record, seen_from
from diffusion_mpc_ros.evaluation.experiments.d_mpc import Config
from diffusion_mpc_ros.planners.d_mpc.models import Dynamics
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.randomization import variation

COMMANDS = np.array([[0.5, 0.0, 0.0], [0.3, 0.0, 0.6]])


@pytest.fixture(scope="module")
def stretches():
    walker = DemonstratorWalker(DemonstratorPolicy(model_folder("demonstrator")), GaitCommand.default(2))
    simulation = BatchSimulation(2, seed=4, threads=1)
    return record(simulation, walker, COMMANDS, np.zeros((160, 2, 12)), rows=30, settle=25)


def test_dead_reckoning_of_a_circle():
    # 0.5 m/s and 1 rad/s for half a second: an arc of radius 0.5 m over 0.5 rad.
    states = np.zeros((1, 26, 34))
    states[..., BASE_LIN_VEL.start], states[..., BASE_ANG_VEL.stop - 1] = 0.5, 1.0
    x, y = dead_reckoning(states[:, 0], states[:, 1:])[0, -1]
    assert x == pytest.approx(0.5 * np.sin(0.5), abs=1e-4)
    assert y == pytest.approx(0.5 * (1.0 - np.cos(0.5)), abs=1e-4)


def test_positions_are_seen_in_the_heading_of_the_beginning():
    quarter = np.array([[np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]])  # turned left by 90 degrees
    found = seen_from(np.array([[[1.0, 2.0, 0.3]]]), quarter, np.array([[1.0, 0.0, 0.3]]))
    np.testing.assert_allclose(found, [[[2.0, 0.0]]], atol=1e-12)


def test_noise_comes_in_bursts_that_take_turns():
    noise = bursts(4, 100, 0.2, np.random.default_rng(0))
    assert not noise[:25, ::2].any() and noise[:25, 1::2].any(axis=(0, 2)).all()
    assert noise[25:50, ::2].any(axis=(0, 2)).all() and not noise[25:50, 1::2].any()
    assert noise.std() < 0.2 and not bursts(4, 100, 0.0, np.random.default_rng(0)).any()


def test_stretches_are_what_was_walked(stretches):
    # From ticks 25, 75 and 125 on, of two robots.
    assert len(stretches) == 6 and stretches.states.shape == (6, 30, 34) and stretches.position.shape == (6, 30, 2)
    assert len(stretches.first(2)) == 2 and len(stretches.first(2).full.qpos) == 2 and len(stretches.first(99)) == 6
    # Velocities add up to positions, and physics does the same again.
    reckoned = dead_reckoning(stretches.state, stretches.states)
    np.testing.assert_allclose(reckoned, stretches.position, atol=0.01)
    again = predictors.physics(0.0, np.zeros(3))(stretches, 30)
    np.testing.assert_allclose(again[..., JOINT_POS], stretches.states[..., JOINT_POS], atol=1e-3)
    heavier = errors(stretches, predictors.physics(5.0, np.zeros(3))(stretches, 30))
    assert heavier["height_error"][-1] > 1e-3 > errors(stretches, again)["height_error"][-1]


def test_cells_are_told_apart_and_what_is_unknown_is_refused():
    bag = f"payload 8 kg:5={model_folder('d_mpc')}"
    config = Config(
        experiments=("open_loop", "walk", "objective", "new_reward", "dynamics"), planners=("d_mpc",), adapted=(bag,)
    )
    labels = [cell.labels for cell in config.cells()]
    assert {"experiment": "open_loop", "case": "bursts", "method": "joint prior"} in labels
    assert {"experiment": "walk", "method": "d_mpc"} in labels
    assert {"experiment": "objective", "case": "energy", "method": "d_mpc"} in labels
    assert {"experiment": "new_reward", "case": "lunge", "method": "d_mpc"} in labels
    adapted = [each["case"] for each in labels if each.get("minutes") == 5.0]
    assert adapted == ["payload 8 kg", "flat"] and len(labels) == 2 * 7 + 1 + 9 + len(CHANGES) + 2
    assert len(replace(config, single_step="runs/single").cells()) == len(labels) + 2 * 2
    with pytest.raises(ConfigurationError, match="unknown experiment 'jump'; there is open_loop, choice, walk"):
        Config(experiments=("jump",))
    with pytest.raises(ConfigurationError, match="unknown change 'wind'; there is flat, payload 8 kg"):
        Config(changes=("wind",))
    with pytest.raises(ConfigurationError, match="unknown objective or reward 'dance'; there is joint_velocity"):
        Config(asked=("dance",))
    with pytest.raises(ConfigurationError, match="'wind:5=x' is no CHANGE:MINUTES=FOLDER"):
        Config(adapted=("wind:5=x",))


def test_robots_of_a_change():
    weak = CHANGES["motors x 0.7"].simulation(1, seed=0, threads=1)
    assert variation(weak.models, weak.nominal)["motor_strength"].mean() == pytest.approx(0.7)
    heavy, plain = (CHANGES[name].simulation(2, seed=0, threads=1) for name in ("payload 6 kg off centre", "flat"))
    mass = [simulation.nominal.body_mass.sum() for simulation in (heavy, plain)]
    assert mass[0] - mass[1] == pytest.approx(6.0) and heavy.robots == 2
    assert plain.ground.flat and not CHANGES["slope 12 deg"].ground.flat


def test_errors_are_root_mean_squares(stretches):
    predicted = stretches.states.copy()
    predicted[..., BASE_LIN_VEL.start] += 0.3
    predicted[..., BASE_LIN_VEL.start + 1] -= 0.4
    predicted[..., BASE_HEIGHT] += 0.01
    predicted[..., JOINT_POS][..., :3] += 0.2
    found = errors(stretches, predicted)
    np.testing.assert_allclose(found["velocity_error"], 0.5)
    np.testing.assert_allclose(found["height_error"], 0.01)
    np.testing.assert_allclose(found["joint_error"], 0.1)  # 0.2 rad in 3 of 12 joints
    assert found["position_error"][-1] == pytest.approx(0.5 * 30 * go2.CONTROL_DT, rel=0.1)


def test_dynamics_go_on_from_their_own_prediction(stretches):
    def one_more(noisy, level, condition):
        return np.ones_like(noisy)

    predict = predictors.rolled_out(Dynamics(description(), one_more, 1))
    found = predict(stretches, 2 * ROWS + 3) - stretches.state[:, None]
    # A block adds 1 to where it begins.
    np.testing.assert_allclose(found[:, :ROWS], 1.0)
    np.testing.assert_allclose(found[:, ROWS : 2 * ROWS], 2.0)
    np.testing.assert_allclose(found[:, 2 * ROWS :], 3.0)
    assert found.shape[1] == 2 * ROWS + 3
    assert not (predictors.unchanged(stretches, 4) - stretches.state[:, None]).any()


def test_the_joint_prior_says_nothing_of_velocity(stretches, random_artefact):
    from diffusion_mpc_ros.diffusion import prior

    found = errors(stretches, predictors.joint_prior(prior.load(random_artefact))(stretches, 16))
    assert np.isnan(found["velocity_error"]).all() and np.isnan(found["joint_error"][11:]).all()
    assert np.isfinite(found["joint_error"][:11]).all()
