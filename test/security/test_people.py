"""The security policies of what people use beside the nodes: the view, the recorder, the operator's commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from rclpy.node import NodeNameNonExistentError

from diffusion_mpc_ros.nodes.operator import Operator

ROOT = Path(__file__).parents[2]
WAIT = 90.0
KINDS = (("topic", "publish"), ("topic", "subscribe"), ("service", "reply"), ("service", "request"))


def allowed(node: str, element: str, attribute: str) -> set[str]:
    """The full names of a kind that the policy of a node allows."""
    root = ElementTree.parse(ROOT / "config" / "security" / "policies.xml").getroot()
    (profile,) = root.findall(f"enclaves/enclave/profiles/profile[@node='{node}']")
    names = {each.text for group in profile.findall(f"{element}s[@{attribute}='ALLOW']") for each in group}
    return {f"/{node}/{name[1:]}" if name.startswith("~") else f"/{name.lstrip('/')}" for name in names}


def offered(graph, node: str) -> tuple[set[str], ...]:
    """What a running node publishes, subscribes to, serves and calls."""
    kinds = (
        graph.get_publisher_names_and_types_by_node,
        graph.get_subscriber_names_and_types_by_node,
        graph.get_service_names_and_types_by_node,
        graph.get_client_names_and_types_by_node,
    )
    try:
        return tuple({name for name, _ in kind(node, "/")} for kind in kinds)
    except NodeNameNonExistentError:
        return tuple(set() for _ in kinds)


@pytest.mark.parametrize(
    ("node", "program"),
    [
        ("view", ["nodes.view", "--ros-args", "-p", "browser:=false"]),
        ("recorder", ["cli", "record", "--output", "bag"]),
    ],
)
def test_a_policy_allows_what_the_program_does_and_no_more(node, program, ros_domain, tmp_path):
    expected = tuple(allowed(node, *kind) for kind in KINDS)
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    command = [sys.executable, "-m", f"diffusion_mpc_ros.{program[0]}", *program[1:]]
    process = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path})
    try:
        with Operator() as operator:
            operator.advertise_velocity()  # of which the recorder has to know the type
            deadline = time.monotonic() + WAIT
            while (seen := offered(operator.node, node)) != expected:
                assert time.monotonic() < deadline, f"{node} offers {seen}, its policy allows {expected}"
                time.sleep(0.1)
    finally:
        process.kill()
        process.wait(WAIT)


def test_the_operator_offers_what_its_policy_allows(ros_domain):
    with Operator() as operator:
        operator.follow()
        operator.advertise_velocity()
        expected = [allowed("operator", *kind) for kind in KINDS]
        deadline = time.monotonic() + WAIT
        while list(offered(operator.node, "operator")[:3]) != expected[:3]:
            assert time.monotonic() < deadline, offered(operator.node, "operator")
            time.sleep(0.1)
        # The others are called one at a time.
        assert offered(operator.node, "operator")[3] <= expected[3]
