"""What the real processes of the simulated set-up listen to, and what another host sees of them."""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from rclpy.node import NodeNameNonExistentError

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.bringup import BringupOptions
from diffusion_mpc_ros.faults.processes import RobotProcesses
from diffusion_mpc_ros.nodes.operator import Operator
from diffusion_mpc_ros.shell import DISCOVERY_VARIABLES

WAIT = 60.0
# A planner that no busy machine is too slow for.
QUICK = {"candidates": 1, "steps": 1, "replan_margin": 10, "replan_interval": 1}
_PIDFD_GETFD = 438  # the same system call number on every architecture


@pytest.fixture(scope="module")
def unitree_domain(free_domain) -> int:
    """The id of a Unitree domain of these tests' own."""
    return free_domain()


@pytest.fixture(scope="module")
def environment(free_domain) -> Iterator[None]:
    """What bringup sets in the environment of a simulated robot, in a ROS domain of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in bringup.environment(sim=True).items():
            patch.setenv(name, value)
        patch.setenv("ROS_DOMAIN_ID", str(free_domain()))
        yield


@pytest.fixture(scope="module")
def robot(environment, unitree_domain, tmp_path_factory) -> Iterator[RobotProcesses]:
    """The five processes in simulation and the watchdog, all at work."""
    parameters = {"planner": QUICK, "reward_composer": {"slope_presets": True}}
    options = BringupOptions(domain_id=unitree_domain, parameters=parameters)
    processes = RobotProcesses(bringup.processes(options), {}, tmp_path_factory.mktemp("robot"))
    try:
        processes.start_missing()
        with Operator() as operator:
            operator.follow()
            assert operator.wait(lambda: operator.mode is not None, WAIT), processes.tail("command_publisher")
            nodes = set(bringup.EXECUTABLES)
            assert operator.wait(lambda: nodes <= set(operator.node.get_node_names()), WAIT)
            assert operator.wait(lambda: len(processes.children("command_publisher")) == 1, WAIT)
        yield processes
    finally:
        processes.stop()


def sockets(pid: int) -> list[tuple[str, str, int, int]]:
    """Every IP socket of a process: protocol, local address and port, file descriptor."""
    bound = {}
    for protocol in ("udp", "udp6", "tcp", "tcp6", "raw", "raw6"):
        for line in Path(f"/proc/{pid}/net/{protocol}").read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            words = bytes.fromhex(address)
            # Words of four bytes in the machine's own order, little-endian on every supported machine.
            packed = b"".join(words[start : start + 4][::-1] for start in range(0, len(words), 4))
            bound[f"socket:[{fields[9]}]"] = (protocol, str(ipaddress.ip_address(packed)), int(port, 16))
    targets = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since the folder was read
            targets[int(entry.name)] = os.readlink(entry)
    return [(*bound[target], descriptor) for descriptor, target in targets.items() if target in bound]


def filter_length(pid: int, descriptor: int) -> int:
    """Instructions of the filter attached to a socket of another process; 0 for none (SO_GET_FILTER)."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        copy = libc.syscall(_PIDFD_GETFD, process, descriptor, 0)
    finally:
        os.close(process)
    if copy < 0:
        pytest.skip(f"the filters of another process cannot be read here: {os.strerror(ctypes.get_errno())}")
    try:
        length = ctypes.c_uint32(0)
        assert libc.getsockopt(copy, socket.SOL_SOCKET, 26, None, ctypes.byref(length)) == 0
    finally:
        os.close(copy)
    return length.value


def test_nothing_listens_beyond_the_loopback(robot, unitree_domain):
    pids = {name: robot.pid(name) for name in robot.names}
    (pids["watchdog"],) = robot.children("command_publisher")
    first = 7400 + 250 * unitree_domain
    for name, pid in pids.items():
        own = sockets(pid)
        assert own, name
        for protocol, address, port, descriptor in own:
            if address == "127.0.0.1":
                continue
            # Only the robot's own middleware binds wider; its filter passes one interface: load, one comparison (lo),
            # drop, accept.
            assert (protocol, address) == ("udp", "0.0.0.0") and first <= port < first + 250, f"{name}: {own}"
            assert filter_length(pid, descriptor) == 4, f"{name}: port {port} is not confined"
    wide = {name for name, pid in pids.items() if any(address != "127.0.0.1" for _, address, _, _ in sockets(pid))}
    assert wide == {*bringup.ROBOT_LINK_NODES, "watchdog"}


JOINED = """
import sys
from diffusion_mpc_ros import cli
from diffusion_mpc_ros.commands import rewards
def stay(_):
    from diffusion_mpc_ros.nodes.operator import Operator
    with Operator():
        print("joined", flush=True)
        sys.stdin.read()
rewards.get = stay
cli.main(["rewards", "get"])
"""


@pytest.mark.parametrize("variables", [{}, {"ROS_LOCALHOST_ONLY": "1"}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}])
def test_a_command_in_a_clean_shell_listens_on_the_loopback_alone(ros_domain, monkeypatch, variables):
    for name in DISCOVERY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", JOINED], env={**os.environ, **variables}, **pipes) as command:
        assert command.stdout.readline() == "joined\n"
        addresses = {address for _, address, _, _ in sockets(command.pid)}
        command.stdin.close()
    assert addresses == {"127.0.0.1"}


POLICIES = Path(__file__).parents[2] / "config" / "security" / "policies.xml"
# Published only where tf2_msgs or control_msgs is installed.
OPTIONAL = {"/tf", "/command_publisher/controller_state"}


def allowed(node: str, element: str, attribute: str) -> set[str]:
    """The full names that ``policies.xml`` allows a node to publish, to subscribe to or to serve."""
    (profile,) = ElementTree.parse(POLICIES).getroot().findall(f"enclaves/enclave/profiles/profile[@node='{node}']")
    names = {each.text for group in profile.findall(f"{element}s[@{attribute}='ALLOW']") for each in group}
    return {f"/{node}/{name[1:]}" if name.startswith("~") else f"/{name.lstrip('/')}" for name in names}


def offered(graph, node: str) -> tuple[set[str], set[str], set[str]]:
    """What a running node publishes, subscribes to and serves."""
    kinds = (
        graph.get_publisher_names_and_types_by_node,
        graph.get_subscriber_names_and_types_by_node,
        graph.get_service_names_and_types_by_node,
    )
    try:
        return tuple({name for name, _ in kind(node, "/")} - OPTIONAL for kind in kinds)
    except NodeNameNonExistentError:
        return set(), set(), set()


def test_the_policies_allow_what_the_nodes_do_and_no_more(robot):
    with Operator() as operator:
        operator.follow()  # what wakes the waiting
        for node in (*bringup.EXECUTABLES, "command_publisher_second"):
            expected = (
                allowed(node, "topic", "publish") - OPTIONAL,
                allowed(node, "topic", "subscribe"),
                allowed(node, "service", "reply"),
            )
            reached = operator.wait(lambda node=node, expected=expected: offered(operator.node, node) == expected, WAIT)
            assert reached, f"{node} offers {offered(operator.node, node)}, its policy allows {expected}"
