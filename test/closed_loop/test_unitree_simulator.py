"""Walking in a simulator that says as little as Unitree's own, by its robot profile and the SDK's way of discovery."""

from __future__ import annotations

import sys
from pathlib import Path

WAIT = 120.0
SIMULATOR = Path(__file__).with_name("unitree_mujoco.py")
# As `diffusion-mpc launch --robot unitree_mujoco`, and the operator beside it.
WALK = """
import os, tempfile, time
from pathlib import Path
import numpy as np
from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.faults.processes import RobotProcesses
from diffusion_mpc_ros.nodes.graph_client import OperatorError
from diffusion_mpc_ros.nodes.recording_operator import RecordingOperator
# A planner that no busy machine is too slow for.
quick = {"candidates": 1, "steps": 5, "sampler": "ddim"}
options = bringup.BringupOptions(robot="unitree_mujoco", parameters={"planner": quick})
os.environ.update(bringup.environment(options.simulated))
folder = Path(tempfile.mkdtemp())
processes = RobotProcesses(bringup.processes(options), {}, folder)

def until(request, mode, deadline):
    while operator.mode is not mode and not operator.fault and time.monotonic() < deadline:
        try:
            operator.request(request)
        except OperatorError as error:
            print("log", error)
        operator.wait(lambda: operator.mode is mode or operator.fault, 4.0)

try:
    processes.start_missing()
    with RecordingOperator() as operator:
        operator.record()
        operator.drive()
        operator.command(np.array([0.5, 0.0, 0.0]))
        until("stand_up", Mode.STANDING, time.monotonic() + 60.0)
        until("walk", Mode.WALKING, time.monotonic() + 30.0)
        operator.wait(lambda: operator.mode is not Mode.WALKING, 6.0)
        print("mode", operator.mode, operator.fault)
        sources = {sample.from_plan for sample in operator.recording.commands[-50:]}
        print("plans", True in sources)
    if operator.mode is not Mode.WALKING:
        print("log", processes.tail("command_publisher"))
finally:
    processes.stop()
"""


def test_it_walks_in_a_simulator_that_says_as_little_as_unitrees(hosts, ros_domain):
    host, _ = hosts
    host.run("ip", "link", "set", "lo", "multicast", "on")
    simulator = host.python(SIMULATOR.read_text(), "lo")
    try:
        assert simulator.stdout.readline() == "ready\n"
        operator = host.python(WALK)
        said, _ = operator.communicate(timeout=WAIT)
        height, distance = map(float, simulator.communicate(timeout=WAIT)[0].split())
    finally:
        simulator.kill()
    print(said, file=sys.stderr)
    assert "mode Mode.WALKING" in said and "plans True" in said, said
    # Let down at the end, and two thirds of the way at least.
    assert height < 0.2 and distance > 1.5
