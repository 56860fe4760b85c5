"""Each ROS test in a ROS domain and a Unitree domain of its own; nodes as processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAIT = 60.0
# Domains whose default ports lie below Linux's ephemeral ones; 0 and 1 are the robot's and the simulator's.
DOMAINS = range(10, 100)


def _free(domain: int) -> bool:
    """Whether nobody uses the unicast ports of the domain's first participant (RTPS: 7410 + 250 * domain)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", 7410 + 250 * domain))
        except OSError:
            return False
    return True


_unused = iter([*DOMAINS[os.getpid() % len(DOMAINS) :], *DOMAINS[: os.getpid() % len(DOMAINS)]])


@pytest.fixture
def free_domain():
    """A function that returns a DDS domain id which nobody uses, another one at each call."""
    return lambda: next(domain for domain in _unused if _free(domain))


@pytest.fixture
def ros_domain(free_domain, monkeypatch) -> int:
    """A ROS domain of this test's own, set in the environment, and limited to this machine."""
    domain = free_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return domain


class NodeProcess:
    """One node as its own process; ``output`` holds what it has printed so far."""

    def __init__(self, name: str, log: Path, parameters: dict[str, object]) -> None:
        self._log = log
        arguments = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
        path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"diffusion_mpc_ros.nodes.{name}", "--ros-args", *arguments],
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return self._log.read_text()

    def wait(self) -> int:
        """The exit status, awaited with a bound."""
        return self.process.wait(WAIT)

    def terminate(self) -> int:
        """SIGTERM, then the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()


@pytest.fixture
def start_node(ros_domain, tmp_path):
    """A function that starts a node by executable name and parameters; all are killed at the end."""
    nodes = []

    def start(name: str, **parameters: object) -> NodeProcess:
        node = NodeProcess(name, tmp_path / f"{name}_{len(nodes)}.log", parameters)
        nodes.append(node)
        return node

    yield start
    for node in nodes:
        node.process.kill()
        node.process.wait(WAIT)


@pytest.fixture
def probe(ros_domain):
    """A node of this process to subscribe, publish and call with; ``probe.until(condition)`` spins until it holds."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    node = rclpy.create_node("probe", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def until(condition, timeout: float = WAIT) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            executor.spin_once(timeout_sec=0.05)

    node.until = until
    yield node
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)
