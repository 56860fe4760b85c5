"""A simulator that says as little as Unitree's unitree_mujoco (simulate_python), written with Unitree's own SDK.

LowState 200 times a second: joints, IMU, and zeros. Torques by the PD law when a LowCmd arrives, held in between. No
motion switcher, no watch over silent controllers. Argument: the network interface. The last base height [m] and
distance walked [m] are printed at the end of the standard input.
"""

from __future__ import annotations

import math
import sys
import threading
import time

import numpy as np

from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.go2 import sdk  # noqa: F401 - makes the SDK's wheel importable
from diffusion_mpc_ros.simulation.model import ModelOptions
from diffusion_mpc_ros.simulation.robot import Go2Simulation

# isort: split
from unitree_sdk2py.core.channel import ChannelFactoryInitialize, ChannelPublisher, ChannelSubscriber
from unitree_sdk2py.idl.default import unitree_go_msg_dds__LowState_
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowCmd_, LowState_

DOMAIN, TIMESTEP = 1, 0.005
ZERO = np.zeros(NUM_JOINTS)


def main() -> None:
    simulation = Go2Simulation(ModelOptions(timestep=TIMESTEP), command_timeout=math.inf)
    torque = ZERO

    def on_command(message: LowCmd_) -> None:
        nonlocal torque
        motors = message.motor_cmd[:NUM_JOINTS]
        q, dq, kp, kd, tau = np.array([(motor.q, motor.dq, motor.kp, motor.kd, motor.tau) for motor in motors]).T
        state = simulation.lowstate(0.0)
        torque = tau + kp * (q - state.joint_pos) + kd * (dq - state.joint_vel)

    ChannelFactoryInitialize(DOMAIN, sys.argv[1])
    publisher = ChannelPublisher("rt/lowstate", LowState_)
    publisher.Init()
    subscriber = ChannelSubscriber("rt/lowcmd", LowCmd_)
    subscriber.Init(on_command, 10)
    message = unitree_go_msg_dds__LowState_()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("ready", flush=True)
    due = time.monotonic()
    while not ended.is_set():
        simulation.set_command(JointCommand(ZERO, ZERO, ZERO, ZERO, torque))
        simulation.step_physics()
        state = simulation.lowstate(0.0)
        for motor, q, dq, tau in zip(message.motor_state, state.joint_pos, state.joint_vel, state.joint_torque):
            motor.q, motor.dq, motor.tau_est = float(q), float(dq), float(tau)
        message.imu_state.quaternion = state.base_quat_wxyz.tolist()
        message.imu_state.gyroscope = state.base_ang_vel.tolist()
        message.imu_state.accelerometer = state.base_lin_acc.tolist()
        publisher.Write(message)
        due += TIMESTEP
        time.sleep(max(0.0, due - time.monotonic()))
    truth = simulation.truth()
    print(truth.height, math.hypot(*truth.position[:2]), flush=True)


if __name__ == "__main__":
    main()
