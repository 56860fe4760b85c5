"""Which feet carry load: each from its force sensor while that works, else from joint torques and leg kinematics.

A sensor is judged only where torques and kinematics leave no doubt: the foot clearly carries load or clearly swings.
Noise, a wrong gain and a broken cable all show as the share of that time in which the sensor says the opposite.
"""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.go2 import FOOT_FORCE_CONTACT, LEGS

# Without its sensor a foot counts as loaded when the joint torques balance more than this vertical force [N] ...
TORQUE_CONTACT_FORCE = 10.0
# ... and it is within this height [m] of the lowest foot, by gravity or, on a slope, by the base: the torques that
# accelerate a swinging leg feign up to 70 N.
LOWEST_FOOT_MARGIN = 0.015
# Beyond doubt loaded: as low, and more force [N]. Beyond doubt free: less than TORQUE_CONTACT_FORCE and this high [m]
# while the legs carry the robot; those of a lying one rest on the ground without torque, at any height on a slope.
LOADED_FORCE, FREE_HEIGHT = 20.0, 0.03
# The opposite's share is taken over about this time [s] of no doubt. Above the limit the foot does without its sensor,
# until the share is down at the second one: a dead sensor is left after 0.07 s under load, trusted again after 0.5 s.
EVIDENCE_TIME, FAULTY_SHARE, SOUND_SHARE = 0.2, 0.3, 0.1
# A weak sensor gets a lower threshold, down to this share; its gain is taken over about this time [s] under load.
GAIN_MIN, GAIN_TIME = 0.3, 0.5


class FootSensor:
    """One foot's force sensor, its gain and the evidence against it. Plain floats: a quarter of the time of arrays.

    A foot that is not ``fitted`` with one never trusts it.
    """

    def __init__(self, fitted: bool = True) -> None:
        self.works = self._fitted = fitted
        # Means under load, of what the sensor says [raw] and of the force by torque [N].
        self._sensed_load = self._load = float(FOOT_FORCE_CONTACT)
        # Shares of the time in which it says free under load, and loaded in the air.
        self._missed = self._feigned = 0.0

    @property
    def threshold(self) -> float:
        """Raw value above which the foot is in contact: FOOT_FORCE_CONTACT at one raw unit a newton and above."""
        return FOOT_FORCE_CONTACT * min(max(self._sensed_load / self._load, GAIN_MIN), 1.0)

    def update(self, foot_force: float, vertical_force: float, clearance: float, carried: bool, dt: float) -> bool:
        """Contact from the sensor's raw value, the force by torque [N] and the height [m] above the lowest foot.

        ``carried``: the legs carry the robot, by torque; ``dt`` [s] since the last call.
        """
        sensed = foot_force > self.threshold
        low = clearance < LOWEST_FOOT_MARGIN
        if low and vertical_force > LOADED_FORCE:
            step = min(dt / GAIN_TIME, 1.0)
            self._sensed_load += step * (foot_force - self._sensed_load)
            self._load += step * (vertical_force - self._load)
            self._missed += min(dt / EVIDENCE_TIME, 1.0) * ((not sensed) - self._missed)
            self._judge()
        elif carried and clearance > FREE_HEIGHT and vertical_force < TORQUE_CONTACT_FORCE:
            self._feigned += min(dt / EVIDENCE_TIME, 1.0) * (sensed - self._feigned)
            self._judge()
        return sensed if self.works else low and vertical_force > TORQUE_CONTACT_FORCE

    def _judge(self) -> None:
        self.works = self._fitted and max(self._missed, self._feigned) < (FAULTY_SHARE if self.works else SOUND_SHARE)


class ContactDetector:
    """Contact flags of the four feet; the Go2 Air has no force sensors, sensors age, and cables break.

    ``fitted``: whether the robot has force sensors, as far as its profile says.
    """

    def __init__(self, fitted: bool = True) -> None:
        self._sensors = [FootSensor(fitted) for _ in LEGS]

    @property
    def sensors_work(self) -> np.ndarray:
        """Feet ``(4,)`` bool whose flags come from their force sensors; those of the others are inferred."""
        return np.array([sensor.works for sensor in self._sensors])

    def update(
        self, foot_force: np.ndarray, vertical_force: np.ndarray, height_w: np.ndarray, height_b: np.ndarray, dt: float
    ) -> np.ndarray:
        """Contact ``(4,)`` bool from raw sensor values and the feet's vertical forces by torque [N].

        Heights [m] in any common origin, upwards in the world and in the base frame; ``dt`` [s] since the last call.
        """
        forces, heights_w, heights_b = vertical_force.tolist(), height_w.tolist(), height_b.tolist()
        lowest_w, lowest_b, carried = min(heights_w), min(heights_b), max(forces) > LOADED_FORCE
        feet = zip(self._sensors, foot_force.tolist(), forces, heights_w, heights_b)
        return np.array(
            [
                sensor.update(raw, force, min(world - lowest_w, base - lowest_b), carried, dt)
                for sensor, raw, force, world, base in feet
            ]
        )
