"""Contact flags: sensors first, torques when the sensors are dead."""

import numpy as np

from diffusion_mpc_ros.estimation.contact import SENSOR_SILENCE, ContactDetector

STANDING, AIR = np.full(4, 37.0), np.zeros(4)
LEVEL = np.full(4, -0.3)


def test_sensors_decide_while_they_work():
    detector = ContactDetector()
    sensed = np.array([30.0, 19.0, 0.0, 21.0])
    assert detector.update(sensed, STANDING, LEVEL, 0.002).tolist() == [True, False, False, True]
    assert detector.sensors_work


def test_dead_sensors_are_replaced_and_come_back():
    detector = ContactDetector()
    steps = round(SENSOR_SILENCE / 0.01)
    flags = [detector.update(AIR, STANDING, LEVEL, 0.01) for _ in range(steps + 1)]
    assert not flags[0].any()
    assert not detector.sensors_work
    # The second foot carries nothing, the third is 3 cm above the lowest.
    force, height = np.array([37.0, 5.0, 37.0, 37.0]), np.array([-0.3, -0.3, -0.27, -0.29])
    assert detector.update(AIR, force, height, 0.01).tolist() == [True, False, False, True]
    assert detector.update(STANDING, AIR, LEVEL, 0.01).all()
    assert detector.sensors_work


def test_a_carried_robot_does_not_condemn_the_sensors():
    detector = ContactDetector()
    for _ in range(1000):
        assert not detector.update(AIR, AIR, LEVEL, 0.01).any()
    assert detector.sensors_work
