"""Nodes as processes of their own, a node of the test's own to speak to them, and a control loop with its robot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from control_loops import Controller

from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.nodes.simulation_loop import SimulationLoop
from diffusion_mpc_ros.simulation.robot import Go2Simulation

ROOT = Path(__file__).parents[2]
WAIT = 60.0


class NodeProcess:
    """One node as its own process; ``output`` holds what it has printed so far."""

    def __init__(self, name: str, log: Path, remap: dict[str, str], parameters: dict[str, object]) -> None:
        self._log = log
        arguments = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
        arguments += [word for key, value in remap.items() for word in ("-r", f"{key}:={value}")]
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
    """A function that starts a node by executable name, remappings and parameters; all are killed at the end."""
    nodes = []

    def start(name: str, remap: dict[str, str] | None = None, **parameters: object) -> NodeProcess:
        node = NodeProcess(name, tmp_path / f"{name}_{len(nodes)}.log", remap or {}, parameters)
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


@pytest.fixture
def make_node(ros_domain):
    """A function that makes a node in a participant of its own; nothing spins it."""
    import rclpy

    made = []

    def make(name: str):
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=ros_domain)
        made.append((rclpy.create_node(name, context=context), context))
        return made[-1][0]

    yield make
    for node, context in made:
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.fixture
def domain_id(free_domain):
    return free_domain()


@pytest.fixture
def domain(domain_id):
    with open_domain("lo", domain_id) as opened:
        yield opened


@pytest.fixture
def simulation(domain):
    failures = []
    loop = SimulationLoop(domain, Go2Simulation(), None, failures.append)
    yield loop
    loop.close()
    assert not failures


@pytest.fixture
def robot(domain, domain_id, simulation):
    robot = Controller(domain, domain_id)
    yield robot
    robot.close()


@pytest.fixture
def managed_node(ros_domain):
    """A node of this process as ours are; nothing spins it."""
    import rclpy

    from diffusion_mpc_ros.nodes.managed_node import ManagedNode

    rclpy.init(domain_id=ros_domain)
    node = ManagedNode("managed")
    yield node
    node.destroy_node()
    rclpy.shutdown()
