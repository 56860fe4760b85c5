"""Base velocity and height from IMU and leg kinematics: the contact-aided linear Kalman filter of MIT Cheetah 3.

Bledt et al., "MIT Cheetah 3: Design and Control of a Robust, Dynamic Quadruped Robot", IROS 2018, section on state
estimation. State, world frame: position and velocity of the IMU and the points of the ground under the four feet.
Input: the IMU's specific force. Measurements: these points relative to the IMU, zero velocity of the feet's contact
points, and, as long as what the feet find agrees with it, ground at height 0. All noise is isotropic in the horizontal
plane, so the three axes are independent filters and the two horizontal ones share a covariance. With the IMU instead of
the base's origin as the moving point its mounting offset is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import FOOT_RADIUS, IMU_POSITION_B, MAX_READING
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.estimation import kinematics
from diffusion_mpc_ros.estimation.contact import ContactDetector

GRAVITY_W = np.array([0.0, 0.0, -9.81])
# LowStates that follow quicker than this [s] are left out: 125 Hz are as accurate as the robot's 500, at a quarter of
# the cost.
MIN_DT = 0.008
# A step of the robot's clock beyond MAX_DT [s] is not integrated over, beyond MAX_GAP, either way, it is another walk.
MAX_DT, MAX_GAP = 0.1, 1.0
# Variance [m^2/s^2, m^2] added to every state over such a gap.
GAP_VARIANCE = 1.0
# Stiffness [N/m] of a foot's rubber on the ground, and the most [m] it gives way.
FOOT_STIFFNESS, MAX_COMPRESSION = 1.0e4, 0.012
# The filter starts when all feet have been loaded this long [s], interruptions taken off, and starts over when none has
# been.
INITIALISATION_TIME, FLIGHT_TIME = 0.1, 0.5
# A foot in the air unsettles so many times as fast as it settles: gaps of a noisy sensor count for little.
UNSETTLING = 3.0
# A Go2 is neither faster [m/s] nor higher above its feet [m] than this; beyond, the filter has diverged.
MAX_SPEED, MAX_HEIGHT = 6.0, 1.0

# Spread of footholds [m^2] below which they say little of the ground's slope; of a standing Go2 0.15 and 0.08.
SPREAD = 0.005

# Rows of the state: IMU position, IMU velocity, feet.
_POSITION, _VELOCITY, _FEET = 0, 1, slice(2, 6)
_FOOT_ROWS = np.arange(2, 6)
_STATES = 6
_IDENTITY = np.eye(_STATES)


@dataclass(frozen=True)
class EstimatorNoise:
    """Standard deviations; densities are per square root of a second."""

    acceleration: float = 0.2  # [m/s/sqrt(s)], process: accelerometer
    position: float = 0.01  # [m/sqrt(s)], process: IMU position
    stance_foot: float = 0.1  # [m/sqrt(s)], process: horizontal slip of a loaded foot
    stance_foot_vertical: float = 0.02  # [m/sqrt(s)], process: a settled foot's ground gives way
    swing_foot: float = 10.0  # [m/sqrt(s)], process: a free foot goes anywhere
    foot_position: float = 0.005  # [m], measured by leg kinematics
    foot_velocity: float = 0.1  # [m/s], horizontal, of a loaded foot's contact point
    foot_velocity_vertical: float = 1.0  # [m/s], the same while the foot's rubber is compressed and released
    ground_height: float = 0.02  # [m], of the ground under a settled foot, where it is flat
    ground_step: float = 0.01  # [m], height at which flat ground is a quarter believed
    swing_inflation: float = 100.0  # of the measurements of free feet
    slip_speed: float = 0.1  # [m/s], residual at which a foot's velocity measurement is half believed
    contact_rise: float = 0.01  # [s], time in contact after which a foot is believed
    settling: float = 0.1  # [s], the same vertically: until then impact and rubber move it
    settled_speed: float = 0.2  # [m/s], a settled foot's vertical speed is below it


@dataclass(frozen=True)
class BaseEstimate:
    """The base at one LowState; zero velocity until ``initialized``."""

    base_lin_vel_b: np.ndarray  # (3,) [m/s], base frame
    base_height: float  # [m] above the plane through where the feet stand or stood last
    base_pos_w: np.ndarray  # (3,) [m], odometry frame: the IMU starts at x = y = 0, heading as its own
    foot_contact: np.ndarray  # (4,) bool
    initialized: bool


class BaseEstimator:
    """Call :meth:`update` with every LowState; repeated, late and corrupt ones change nothing.

    It starts when all feet are loaded. It starts over after a jump of the robot's clock, when no foot was loaded
    for long (carried, fallen), and when its state is not finite or out of bounds; ``restarts`` counts.
    ``foot_sensors``: whether the robot has force sensors in its feet.
    """

    # (4,) [s], of each foot: since when it stands, how much of late; and [s] since when none does.
    _contact_time: np.ndarray
    _settled_time: np.ndarray
    _flight_time: float

    def __init__(self, noise: EstimatorNoise | None = None, foot_sensors: bool = True) -> None:
        self._noise = noise or EstimatorNoise()
        self._velocity_precision = (
            np.array([self._noise.foot_velocity, self._noise.foot_velocity, self._noise.foot_velocity_vertical]) ** -2.0
        )
        self.restarts = 0
        self._tick_ms: int | None = None
        self._state = np.zeros((_STATES, 3))
        self._footholds = np.zeros((4, 3))  # where each foot stands, or stood last
        self._contact = ContactDetector(foot_sensors)
        self._estimate = BaseEstimate(np.zeros(3), 0.0, np.zeros(3), np.zeros(4, dtype=bool), False)
        self._forget()

    @property
    def foot_sensors_work(self) -> np.ndarray:
        """Feet ``(4,)`` bool whose contact comes from their force sensors, not from joint torques."""
        return self._contact.sensors_work

    def update(self, lowstate: LowState, at_once: bool = False) -> BaseEstimate:
        """Estimate from ``lowstate``; bounded work, about 0.2 ms for one that is used.

        ``at_once``: use it, however soon after the last one that was used.
        """
        if not _is_sound(lowstate):
            return self._estimate
        dt = self._advance_clock(lowstate.tick_ms, 0.0 if at_once else MIN_DT)
        if dt is None:
            return self._estimate
        legs = kinematics.leg_kinematics(lowstate.joint_pos)
        rotation = rotations.rotation_matrix(lowstate.base_quat_wxyz)
        vertical_force = kinematics.foot_forces(legs, lowstate.joint_torque) @ rotation[2]
        feet_w = (legs.foot_pos_b - IMU_POSITION_B) @ rotation.T
        contact = self._contact.update(lowstate.foot_force, vertical_force, feet_w[:, 2], legs.foot_pos_b[:, 2], dt)
        # From here on these are the points of the ground under the feet.
        feet_w[:, 2] -= self._foot_height(vertical_force)
        self._contact_time = np.where(contact, self._contact_time + dt, 0.0)
        settled_time = np.maximum(self._settled_time + np.where(contact, dt, -UNSETTLING * dt), 0.0)
        self._settled_time = np.minimum(settled_time, self._noise.settling)
        self._flight_time = 0.0 if contact.any() else self._flight_time + dt
        if self._initialized:
            self._filter(lowstate, legs, rotation, feet_w, contact, dt)
            self._guard()
        if not self._initialized:
            self._place(feet_w, contact, dt)
        self._estimate = self._read(lowstate, rotation, contact)
        return self._estimate

    def _advance_clock(self, tick_ms: int, min_dt: float) -> float | None:
        """Time [s] since the last LowState that was used, zero after a jump; None for one to leave out."""
        step = 0.0 if self._tick_ms is None else (tick_ms - self._tick_ms) * 1e-3
        if not -MAX_GAP <= step <= MAX_GAP:
            self._restart()
            step = 0.0
        elif step > MAX_DT:
            # A stalled reader of a walking robot: its feet are never all loaded, so go on, believing the legs alone.
            self._covariance += GAP_VARIANCE * _IDENTITY
            step = 0.0
        elif self._tick_ms is not None and (step <= 0.0 or step < min_dt):
            return None
        self._tick_ms = tick_ms
        return step

    def _forget(self) -> None:
        self._initialized = False
        self._covariance = np.zeros((2, _STATES, _STATES))  # horizontal, vertical
        self._contact_time = np.zeros(4)
        self._settled_time = np.zeros(4)
        self._loaded_time = np.zeros(4)
        self._flight_time = 0.0

    def _restart(self) -> None:
        self.restarts += self._initialized
        self._forget()

    def _guard(self) -> None:
        state = self._state
        sound = (
            math.isfinite(state.sum() + self._covariance.sum())
            and np.abs(state[_VELOCITY]).max() < MAX_SPEED
            and np.abs(state[_POSITION, 2] - state[_FEET, 2]).max() < MAX_HEIGHT
        )
        if not sound:
            state[:] = 0.0
        if not sound or self._flight_time > FLIGHT_TIME:
            self._restart()

    def _place(self, feet_w: np.ndarray, contact: np.ndarray, dt: float) -> None:
        """At rest with the lowest foot on the ground; the filter starts when all feet have been loaded for a while."""
        # A noisy sensor interrupts the contact again and again: it takes longer, but it must not take for ever.
        self._loaded_time = np.maximum(self._loaded_time + np.where(contact, dt, -dt), 0.0)
        np.minimum(self._loaded_time, INITIALISATION_TIME, out=self._loaded_time)
        state = self._state
        supports = contact if contact.any() else feet_w[:, 2] <= feet_w[:, 2].min() + FOOT_RADIUS
        state[_VELOCITY] = 0.0
        state[_POSITION, 2] = -feet_w[supports, 2].mean()
        state[_FEET] = state[_POSITION] + feet_w
        self._footholds = state[_FEET].copy()
        self._covariance[:] = np.diag([1e-4, 1e-2, 1e-4, 1e-4, 1e-4, 1e-4])
        self._initialized = bool(self._loaded_time.min() >= INITIALISATION_TIME)

    def _filter(
        self,
        lowstate: LowState,
        legs: kinematics.LegKinematics,
        rotation: np.ndarray,
        feet_w: np.ndarray,
        contact: np.ndarray,
        dt: float,
    ) -> None:
        """One Kalman step; the update in information form, whose matrix the measurements' structure gives directly."""
        noise, state = self._noise, self._state
        angular_velocity = lowstate.base_ang_vel
        foot_vel_b = kinematics.foot_velocities(legs, lowstate.joint_vel)
        foot_vel_b += (legs.foot_pos_b - IMU_POSITION_B) @ _skew(angular_velocity).T
        foot_vel_w = foot_vel_b @ rotation.T
        # A loaded foot's centre moves as its sphere rolls: v = omega x (radius * up).
        shank_w = (angular_velocity + kinematics.shank_angular_velocities(legs, lowstate.joint_vel)) @ rotation.T
        rolling_w = np.zeros((4, 3))
        rolling_w[:, 0], rolling_w[:, 1] = FOOT_RADIUS * shank_w[:, 1], -FOOT_RADIUS * shank_w[:, 0]

        # A foot is believed by and by after touch-down, when impact and rebound are over.
        trust = np.minimum(self._contact_time / noise.contact_rise, 1.0) * contact
        settled = contact & (self._settled_time >= noise.settling - 0.5 * MIN_DT)
        # One that rises or falls is in the air, whatever its sensor says.
        settled &= np.abs(foot_vel_w[:, 2] + state[_VELOCITY, 2]) < noise.settled_speed
        self._predict(rotation @ lowstate.base_lin_acc + GRAVITY_W, rolling_w, trust, settled, dt)

        position_error = feet_w - (state[_FEET] - state[_POSITION])
        velocity_error = (rolling_w - foot_vel_w) - state[_VELOCITY]
        height_error = -state[_FEET, 2]
        # Precisions (inverse variances) of the measurements, per foot.
        inflation = noise.swing_inflation**-2
        belief = inflation + (1.0 - inflation) * trust
        slip = (velocity_error * velocity_error).sum(axis=1) / noise.slip_speed**2
        position_weight = belief / noise.foot_position**2
        velocity_weight = belief / (1.0 + slip)
        height_weight = settled / (noise.ground_height * (1.0 + (height_error / noise.ground_step) ** 2)) ** 2

        information = np.zeros((2, _STATES, _STATES))
        information[:, _POSITION, _POSITION] = position_weight.sum()
        information[:, _VELOCITY, _VELOCITY] = velocity_weight.sum() * self._velocity_precision[::2]
        information[:, _POSITION, _FEET] = information[:, _FEET, _POSITION] = -position_weight
        information[:, _FOOT_ROWS, _FOOT_ROWS] = position_weight
        information[1, _FOOT_ROWS, _FOOT_ROWS] += height_weight
        weighted = np.empty((_STATES, 3))
        weighted[_FEET] = position_weight[:, None] * position_error
        weighted[_POSITION] = -weighted[_FEET].sum(axis=0)
        weighted[_VELOCITY] = velocity_weight @ velocity_error * self._velocity_precision
        weighted[_FEET, 2] += height_weight * height_error

        posterior = np.linalg.solve(_IDENTITY + self._covariance @ information, self._covariance)
        self._covariance = 0.5 * (posterior + posterior.transpose(0, 2, 1))
        state[:, :2] += self._covariance[0] @ weighted[:, :2]
        state[:, 2] += self._covariance[1] @ weighted[:, 2]

    def _predict(
        self, acceleration_w: np.ndarray, rolling_w: np.ndarray, trust: np.ndarray, settled: np.ndarray, dt: float
    ) -> None:
        noise, state, covariance = self._noise, self._state, self._covariance
        state[_POSITION] += dt * state[_VELOCITY] + 0.5 * dt**2 * acceleration_w
        state[_VELOCITY] += dt * acceleration_w
        state[_FEET] += dt * trust[:, None] * rolling_w
        covariance[:, _POSITION] += dt * covariance[:, _VELOCITY]
        covariance[:, :, _POSITION] += dt * covariance[:, :, _VELOCITY]
        covariance[:, _POSITION, _POSITION] += dt * noise.position**2
        covariance[:, _VELOCITY, _VELOCITY] += dt * noise.acceleration**2
        foot_variance = trust * noise.stance_foot**2 + (1.0 - trust) * noise.swing_foot**2
        vertical = np.where(settled, noise.stance_foot_vertical**2, noise.swing_foot**2)
        covariance[:, _FOOT_ROWS, _FOOT_ROWS] += dt * np.array([foot_variance, vertical])

    @staticmethod
    def _foot_height(vertical_force: np.ndarray) -> np.ndarray:
        """Height ``(4,)`` [m] of the feet's centres above the ground under ``vertical_force (4,)`` [N]."""
        return FOOT_RADIUS - np.minimum(np.maximum(vertical_force / FOOT_STIFFNESS, 0.0), MAX_COMPRESSION)

    def _read(self, lowstate: LowState, rotation: np.ndarray, contact: np.ndarray) -> BaseEstimate:
        state = self._state
        base_pos_w = state[_POSITION] - rotation @ IMU_POSITION_B
        np.copyto(self._footholds, state[_FEET], where=contact[:, None])
        height = float(base_pos_w[2]) - plane_height(self._footholds, base_pos_w)
        velocity_b = np.zeros(3)
        if self._initialized:
            velocity_b = rotation.T @ state[_VELOCITY] - _skew(lowstate.base_ang_vel) @ IMU_POSITION_B
        return BaseEstimate(
            velocity_b, min(max(height, -MAX_HEIGHT), MAX_HEIGHT), base_pos_w, contact, self._initialized
        )


def _is_sound(lowstate: LowState) -> bool:
    """Whether the numbers that the filter takes are finite and possible, and the quaternion is one."""
    readings = np.concatenate(
        [
            lowstate.joint_pos,
            lowstate.joint_vel,
            lowstate.joint_torque,
            lowstate.foot_force,
            lowstate.base_ang_vel,
            lowstate.base_lin_acc,
        ]
    )
    norm = float(lowstate.base_quat_wxyz @ lowstate.base_quat_wxyz)
    # The comparisons are false for NaN.
    return bool(np.abs(readings).max() < MAX_READING and abs(norm - 1.0) < 0.1)


def plane_height(points: np.ndarray, at: np.ndarray) -> float:
    """Height [m] under ``at (3,)`` of the plane through ``points (n, 3)`` [m], by ridge regression.

    It is their mean height where their heights, or what little they spread, say nothing of a slope.
    """
    # Plain floats: a third of the time of arrays of four.
    xs, ys, zs = points.T.tolist()
    middle_x, middle_y, middle_z = (sum(values) / len(values) for values in (xs, ys, zs))
    xx, yy, xy, xz, yz = SPREAD, SPREAD, 0.0, 0.0, 0.0
    for x, y, z in zip(xs, ys, zs):
        x, y, z = x - middle_x, y - middle_y, z - middle_z
        xx, yy, xy, xz, yz = xx + x * x, yy + y * y, xy + x * y, xz + x * z, yz + y * z
    offset_x, offset_y = float(at[0]) - middle_x, float(at[1]) - middle_y
    rise = offset_x * (yy * xz - xy * yz) + offset_y * (xx * yz - xy * xz)
    return middle_z + rise / (xx * yy - xy * xy)


def _skew(vector: np.ndarray) -> np.ndarray:
    """Matrix ``(3, 3)`` of the cross product with ``vector (3,)``; many times quicker than np.cross on one vector."""
    x, y, z = vector.tolist()
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
