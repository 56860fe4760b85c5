"""Contact flags foot by foot: the sensor first, torques and kinematics where it is dead, weak, stuck or noisy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.estimation.contact import EVIDENCE_TIME, FAULTY_SHARE, SOUND_SHARE, ContactDetector, FootSensor

DT = 0.004
STANDING, AIR = np.full(4, 37.0), np.zeros(4)
LEVEL = np.full(4, -0.3)
# A trot: the diagonal pairs FR RL and FL RR in turn, 0.25 s each, twice the weight on each foot, the others 6 cm up.
PAIR = np.array([True, False, False, True])
STEP = round(0.25 / DT)


def stand(detector, seconds, sense):
    """Contacts ``(N, 4)`` while all feet carry 37 N; ``sense``: force ``(4,)`` [N] -> raw values."""
    return np.array([detector.update(sense(STANDING), STANDING, LEVEL, LEVEL, DT) for _ in range(round(seconds / DT))])


def trot(detector, seconds, sense):
    """Contacts and truth, both ``(N, 4)``."""
    contacts, truth = [], []
    for index in range(round(seconds / DT)):
        loaded = PAIR if index // STEP % 2 else ~PAIR
        force, height = np.where(loaded, 75.0, 0.0), np.where(loaded, -0.3, -0.24)
        contacts.append(detector.update(sense(force), force, height, height, DT))
        truth.append(loaded)
    return np.array(contacts), np.array(truth)


def healthy(force):
    return force


def one_foot(change, foot=2):
    """Sensors of which only one does not say the truth: ``change`` of its value."""

    def sense(force):
        raw = force.copy()
        raw[foot] = change(force[foot])
        return raw

    return sense


def test_sensors_decide_while_they_work():
    detector = ContactDetector()
    sensed = np.array([30.0, 19.0, 0.0, 21.0])
    assert detector.update(sensed, STANDING, LEVEL, LEVEL, 0.002).tolist() == [True, False, False, True]
    assert detector.sensors_work.all()


def test_a_dead_sensor_is_left_and_trusted_again_by_hand():
    # The share goes to one as 1 - (1 - dt / T)^n: above .3 after n = ln .7 / ln(1 - .004 / .2) = 17.7 samples.
    detector = ContactDetector()
    dead = one_foot(lambda _: 0.0)
    assert stand(detector, 17 * DT, dead)[:, 2].sum() == 0
    assert detector.sensors_work.all()
    assert stand(detector, DT, dead).all()
    assert detector.sensors_work.tolist() == [True, True, False, True]
    # From 1 - .98^18 = .305 down to .1: ln(.1 / .305) / ln .98 = 55.2 samples.
    stand(detector, 55 * DT, healthy)
    assert not detector.sensors_work.all()
    stand(detector, DT, healthy)
    assert detector.sensors_work.all()


def test_inference_needs_force_and_a_low_foot():
    detector = ContactDetector()
    stand(detector, 1.0, np.zeros_like)
    assert not detector.sensors_work.any()
    # The second foot carries nothing, the third is 3 cm above the lowest.
    force, height = np.array([37.0, 5.0, 37.0, 37.0]), np.array([-0.3, -0.3, -0.27, -0.29])
    assert detector.update(AIR, force, height, height, DT).tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("change", "trusted"),
    [
        (lambda force: 0.0, False),
        (lambda force: 0.05 * force, False),
        (lambda force: 0.1 * force, True),
        (lambda force: -100.0, False),
        (lambda force: 0.3 * force, True),
        (lambda force: 0.5 * force, True),
        (lambda force: 3.0 * force, True),
        (lambda force: 100.0, False),
        (lambda force: force + 60.0, False),
    ],
    ids=["dead", "x 0.05", "x 0.1", "negative", "x 0.3", "x 0.5", "x 3", "stuck", "offset"],
)
@pytest.mark.parametrize("foot", range(4))
def test_one_faulty_sensor_costs_nothing_after_a_few_steps(change, trusted, foot):
    """Whether its foot still goes by it or not; the other three keep theirs."""
    detector = ContactDetector()
    sense = one_foot(change, foot)
    stand(detector, 1.0, sense)
    trot(detector, 2.0, sense)
    contacts, truth = trot(detector, 2.0, sense)
    np.testing.assert_array_equal(contacts, truth)
    assert detector.sensors_work.tolist() == [trusted or index != foot for index in range(4)]


def test_a_cable_that_breaks_while_walking():
    detector = ContactDetector()
    trot(detector, 2.0, healthy)
    contacts, truth = trot(detector, 2.0, one_foot(lambda _: 0.0))
    assert detector.sensors_work.tolist() == [True, True, False, True]
    # Only the first of its steps is missed, and of that less than a third.
    wrong = np.flatnonzero((contacts != truth).any(axis=1))
    assert 0 < len(wrong) < STEP / 3


def test_a_noisy_sensor_is_left():
    rng = np.random.default_rng(0)
    detector = ContactDetector()
    trot(detector, 10.0, one_foot(lambda force: force + rng.normal(0.0, 100.0)))
    assert detector.sensors_work.tolist() == [True, True, False, True]


def test_a_carried_robot_does_not_condemn_the_sensors():
    detector = ContactDetector()
    for _ in range(1000):
        assert not detector.update(AIR, AIR, LEVEL, LEVEL, 0.01).any()
    assert detector.sensors_work.all()


# The front feet are 7 cm higher by gravity, all are level by the base.
UPHILL = np.array([-0.23, -0.23, -0.3, -0.3])


@pytest.mark.parametrize("dead", [[], [0], [2], [0, 1, 2, 3]])
def test_on_a_slope(dead):
    detector, sensed = ContactDetector(), STANDING.copy()
    sensed[dead] = 0.0
    contacts = [detector.update(sensed, STANDING, UPHILL, LEVEL, DT) for _ in range(100)]
    assert contacts[-1].all()
    assert np.flatnonzero(~detector.sensors_work).tolist() == dead


def test_legs_that_rest_on_a_slope_do_not_condemn_the_sensors():
    """Lying, limp: the legs' weight is above the threshold, their motors give no torque, at any height."""
    detector = ContactDetector()
    for _ in range(1000):
        assert detector.update(np.full(4, 25.0), AIR, UPHILL, UPHILL, DT).all()
    assert detector.sensors_work.all()


@pytest.mark.parametrize(("gain", "threshold"), [(0.1, 6.0), (0.3, 6.0), (0.5, 10.0), (1.0, 20.0), (2.0, 20.0)])
def test_threshold_follows_the_gain(gain, threshold):
    sensor = FootSensor()
    for _ in range(2000):
        sensor.update(gain * 37.0, 37.0, 0.0, True, DT)
    assert sensor.threshold == pytest.approx(threshold, rel=1e-3)


def test_hysteresis():
    """Wrong in every fifth sample: between the limits, neither leaves nor returns."""
    assert SOUND_SHARE < 1 / 5 < FAULTY_SHARE
    trusted, left = FootSensor(), FootSensor()
    for _ in range(round(2 * EVIDENCE_TIME / DT)):
        left.update(0.0, 37.0, 0.0, True, DT)
    for index in range(1000):
        for sensor in (trusted, left):
            sensor.update(37.0 if index % 5 else -1.0, 37.0, 0.0, True, DT)
    assert (trusted.works, left.works) == (True, False)


READING = st.floats(-4e4, 4e4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(READING, READING, st.floats(0.0, 1.0), st.booleans(), st.floats(0.0, 0.1)), max_size=50))
def test_any_readings_leave_a_threshold_within_its_bounds(readings):
    sensor = FootSensor()
    for reading in readings:
        assert sensor.update(*reading) in (True, False)
        assert 6.0 <= sensor.threshold <= 20.0
