"""What a second host on the same network finds of the simulated set-up: nothing, though it asks each port for it."""

from __future__ import annotations

import pytest

from diffusion_mpc_ros import bringup

WAIT = 60.0
# Nodes that these processes have beside those of their names.
BESIDE = ("command_publisher_second", "command_publisher_checks", "planner_artefacts", "planner_declarations")

# On the first host: the five processes, in the environment that bringup gives them. Ends with its standard input.
ROBOT = """
import os, sys, tempfile
from pathlib import Path
from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.faults.processes import RobotProcesses
from diffusion_mpc_ros.nodes.operator import Operator
# A planner that no busy machine is too slow for.
quick = {"candidates": 1, "steps": 1, "replan_margin": 10, "replan_interval": 1}
options = bringup.BringupOptions(domain_id=int(sys.argv[1]), parameters={"planner": quick})
os.environ.update(bringup.environment(sim=True))
processes = RobotProcesses(bringup.processes(options), {}, Path(tempfile.mkdtemp()))
try:
    processes.start_missing()
    with Operator() as operator:
        operator.follow()
        operator.wait(lambda: operator.mode is not None, 60.0)
        beside = set(sys.argv[2].split())
        nodes = {*bringup.EXECUTABLES, *beside}
        operator.wait(lambda: nodes <= set(operator.node.get_node_names()), 60.0)
        print(*sorted(set(operator.node.get_node_names()) - {"operator"}))
    sys.stdin.read()
finally:
    processes.stop()
"""
# On the first host too: a node and a publisher of rt/lowcmd that are open to the network.
OPEN = """
import sys, rclpy
from diffusion_mpc_ros.go2.channels import LOWCMD, Publisher
from diffusion_mpc_ros.go2.domain import open_domain
rclpy.init()
node = rclpy.create_node("open_node")
with open_domain("office", int(sys.argv[1])) as domain:
    publisher = Publisher(domain, LOWCMD, "open")
    print("ready")
    sys.stdin.read()
    publisher.close()
"""
# On the second host: names every port of the first one to both middlewares, waits for what is open, says what it found.
INTRUDER = """
import sys, time, rclpy
from diffusion_mpc_ros.go2 import sdk
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import Go2Domain
identifier, peer, timeout = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
configuration = (
    '<CycloneDDS><Domain Id="any"><General><Interfaces><NetworkInterface name="office"/></Interfaces></General>'
    '<Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>31</MaxAutoParticipantIndex>'
    f'<Peers><Peer address="{peer}"/></Peers></Discovery></Domain></CycloneDDS>'
)
entity = sdk.Domain(identifier, configuration)
domain = Go2Domain(entity, sdk.DomainParticipant(identifier))
commands, states, forged = Subscriber(domain, LOWCMD), Subscriber(domain, LOWSTATE), Publisher(domain, LOWCMD, "forged")
rclpy.init()
node = rclpy.create_node("intruder")
deadline = time.monotonic() + timeout
while "open" not in commands.publisher_labels() or "open_node" not in node.get_node_names():
    if time.monotonic() > deadline:
        break
    time.sleep(0.05)
print(*sorted(node.get_node_names()))
print(*sorted(commands.publisher_labels()), len(states.publisher_labels()), forged.num_subscribers())
"""


@pytest.fixture
def unitree_domain(free_domain) -> str:
    """The id of a Unitree domain of this test's own."""
    return str(free_domain())


def test_another_host_finds_nothing_that_is_not_opened_to_it(hosts, ros_domain, unitree_domain, monkeypatch):
    first, second = hosts
    monkeypatch.delenv("ROS_AUTOMATIC_DISCOVERY_RANGE")
    robot = first.python(ROBOT, unitree_domain, " ".join(BESIDE))
    try:
        assert robot.stdout.readline().split() == sorted((*bringup.EXECUTABLES, *BESIDE))
        opened = first.python(OPEN, unitree_domain)
        assert opened.stdout.readline() == "ready\n"
        # Twice: who is there for the second time has had every chance to be found.
        for _ in range(2):
            intruder = second.python(
                INTRUDER, unitree_domain, "10.77.2.1", str(WAIT), ROS_STATIC_PEERS="10.77.2.1;10.77.1.1"
            )
            nodes, found = intruder.communicate(timeout=2 * WAIT)[0].splitlines()
            # What is open is found: the search works.
            assert nodes.split() == ["intruder", "open_node"]
            # Publishers of rt/lowcmd by label; publishers of rt/lowstate; subscribers of rt/lowcmd: the intruder's own.
            assert found.split() == ["forged", "open", "0", "1"]
        opened.communicate(timeout=WAIT)
    finally:
        robot.communicate(timeout=WAIT)
