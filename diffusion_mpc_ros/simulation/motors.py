"""What the Go2's motors and battery do: PD law, torque-speed limit, heating, discharge.

The one model of a motor, for a batch and for the simulated robot, is MuJoCo's own: a DC motor under the PD law
``tau = kp (q* - q) + kd (dq* - dq) + tau*``, whose supply voltage and current are limited. MuJoCo finds the torque in
every physics step and takes the damping into its implicit integration, so that a high kd on a light joint is stable.
"""

from __future__ import annotations

import mujoco
import numpy as np

from diffusion_mpc_ros.core import go2

# Share of the maximum speed up to which a motor gives its full torque: 13.5 of 30 rad/s in Unitree's own torque-speed
# figures for the Go2's motor (unitree_rl_lab, actuator Go2HV).
FULL_TORQUE_SPEED_SHARE = 0.45

AMBIENT_TEMPERATURE = 30.0  # [deg C]
_HEATING = 0.002  # [deg C / s / (N m)^2], of a hip's or thigh's torque
# All joints have the same motor; the calf's linkage gears it down further, so that its current is less for a torque.
_GEARING = go2.JOINT_TORQUE_MAX / go2.JOINT_TORQUE_MAX.min()  # (12,)
_COOLING_TIME = 300.0  # [s]

# 8000 mAh at 28.8 V [J], and what the computers and sensors draw [W].
BATTERY_ENERGY = 8.0 * 28.8 * 3600.0
ELECTRONICS_POWER = 30.0


# Where MuJoCo keeps the winding resistance and the gains of a motor's PD law, columns of actuator_gainprm, and what its
# controls are, in order.
_RESISTANCE, _KP, _KD = 0, 4, 6
_INPUTS = mujoco.mjtCtrlInput.mjINPUT_POS | mujoco.mjtCtrlInput.mjINPUT_VEL | mujoco.mjtCtrlInput.mjINPUT_FF
INPUTS = ("position", "velocity", "torque")


def make_motor(actuator: mujoco.MjsActuator, joint: int) -> None:
    """Make ``actuator`` the motor of ``joint`` (index in project order) at the walking gains.

    In the direction of motion its torque falls linearly from its maximum at the full-torque speed to zero at the
    maximum speed, and it brakes beyond; against the motion the full torque is there. Controls: :data:`INPUTS`.
    """
    torque_max, vel_max = float(go2.JOINT_TORQUE_MAX[joint]), float(go2.JOINT_VEL_MAX[joint])
    # With a motor constant of 1 the supply voltage is the no-load speed; the line goes on to standstill.
    stall_torque = torque_max / (1.0 - FULL_TORQUE_SPEED_SHARE)
    actuator.gainprm[:], actuator.biasprm[:] = 0.0, 0.0
    actuator.ctrllimited = False
    actuator.set_to_dcmotor(
        motorconst=[1.0, 1.0],
        resistance=vel_max / stall_torque,
        saturation=[torque_max, 0.0, 0.0],
        controller=[go2.WALKING_KP, 0.0, go2.WALKING_KD, 0.0, 0.0, vel_max],
        ctrlspec=int(_INPUTS),
    )


def set_gains(model: mujoco.MjModel, actuators: np.ndarray, kp: np.ndarray, kd: np.ndarray) -> None:
    """Give the motors ``actuators (n,)`` stiffness ``kp (n,)`` [N m/rad] and damping ``kd (n,)`` [N m s/rad]."""
    model.actuator_gainprm[actuators, _KP], model.actuator_gainprm[actuators, _KD] = kp, kd


def weaken(model: mujoco.MjModel, actuators: np.ndarray, strength: np.ndarray) -> None:
    """Let the motors ``actuators (n,)`` give ``strength (n,)`` times their torque, at every speed and command."""
    model.actuator_gainprm[actuators, _KP] *= strength
    model.actuator_gainprm[actuators, _KD] *= strength
    model.actuator_gainprm[actuators, _RESISTANCE] /= strength
    model.actuator_forcerange[actuators] *= strength[:, None]


def gains(model: mujoco.MjModel, actuators: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return kp ``(n,)`` [N m/rad] and kd ``(n,)`` [N m s/rad] of the motors ``actuators (n,)``."""
    return model.actuator_gainprm[actuators, _KP].copy(), model.actuator_gainprm[actuators, _KD].copy()


def heated(temperature: np.ndarray, torque: np.ndarray, duration: float) -> np.ndarray:
    """Motor temperatures ``(12,)`` [deg C] after ``duration`` [s] at ``torque (12,)`` [N m]: copper loss, cooling."""
    heating = _HEATING * (torque / _GEARING) ** 2
    return temperature + duration * (heating - (temperature - AMBIENT_TEMPERATURE) / _COOLING_TIME)


def discharged(battery_soc: float, torque: np.ndarray, joint_vel: np.ndarray, duration: float) -> float:
    """State of charge [%] after ``duration`` [s]; braking feeds nothing back."""
    power = ELECTRONICS_POWER + float(np.maximum(torque * joint_vel, 0.0).sum())
    return max(battery_soc - 100.0 * power * duration / BATTERY_ENERGY, 0.0)
