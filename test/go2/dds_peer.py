"""The other process of the DDS test: sends states, and reports the first command that it receives.

Arguments: DDS domain id, label of the states' publisher. Prints "ready" once it is on the network, then the joint
positions of the first command.
"""

from __future__ import annotations

import sys
import threading

import numpy as np

from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.go2 import channels
from diffusion_mpc_ros.go2.domain import open_domain

PERIOD, LIMIT = 0.002, 20.0


def state(tick_ms: int) -> LowState:
    return LowState(
        tick_ms=tick_ms,
        receive_time=0.0,
        base_quat_wxyz=np.array([1.0, 0.0, 0.0, 0.0]),
        base_ang_vel=np.zeros(3),
        base_lin_acc=np.array([0.0, 0.0, 9.81]),
        joint_pos=np.arange(12.0),
        joint_vel=np.zeros(12),
        joint_torque=np.zeros(12),
        foot_force=np.full(4, 37.0),
        motor_temperature=np.full(12, 40.0),
        battery_soc=80.0,
    )


def main() -> int:
    commanded = threading.Event()
    with open_domain("lo", int(sys.argv[1])) as domain:
        publisher = channels.Publisher(domain, channels.LOWSTATE, label=sys.argv[2])
        subscriber = channels.Subscriber(domain, channels.LOWCMD, lambda _: commanded.set())
        print("ready", flush=True)
        for tick in range(int(LIMIT / PERIOD)):
            publisher.publish(state(2 * tick))
            if commanded.wait(PERIOD):
                break
        command = subscriber.latest()
        print("none" if command is None else command.joint_pos.tolist(), flush=True)
        subscriber.close()
        publisher.close()
    return 0 if commanded.is_set() else 1


if __name__ == "__main__":
    sys.exit(main())
