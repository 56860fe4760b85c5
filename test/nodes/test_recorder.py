"""The recorder hears every topic through real publishers, and asks the nodes for their parameters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import rclpy
from bag_files import ARTEFACT, action_of, command, plan, rewards, state
from diffusion_mpc_msgs.msg import JointCommand, Plan, RewardWeights, RobotState
from geometry_msgs.msg import TwistStamped
from rclpy.executors import SingleThreadedExecutor

from diffusion_mpc_ros.bags.bag import load
from diffusion_mpc_ros.nodes.qos import RELIABLE, SETTINGS, STREAM

WAIT = 30.0
TICKS = range(1, 41)


@pytest.fixture
def planner(ros_domain):
    """A node of that name with a parameter, its executor spun in between by :func:`until`."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("planner", namespace="alpha", context=context)
    node.declare_parameter("artefact", "go2")
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node, executor
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def until(executor, condition) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        executor.spin_once(timeout_sec=0.02)


def test_what_is_published_is_in_the_bag_and_who_published_it(planner, tmp_path):
    node, executor = planner
    topics = {
        "robot_state": (RobotState, STREAM), "joint_command": (JointCommand, STREAM), "plan": (Plan, RELIABLE),
        "cmd_vel": (TwistStamped, RELIABLE),
    }  # fmt: skip
    settings = node.create_publisher(RewardWeights, "reward_weights", SETTINGS)
    settings.publish(rewards(3, 0.5))  # before anybody records
    publishers = {name: node.create_publisher(kind, name, qos) for name, (kind, qos) in topics.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "diffusion_mpc_ros.cli", "record", "--output", "walk.mcap", "--namespace", "alpha"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        until(executor, lambda: all(publisher.get_subscription_count() for publisher in publishers.values()))
        for tick in TICKS:
            publishers["robot_state"].publish(state(tick))
            publishers["joint_command"].publish(command(tick))
            publishers["plan"].publish(plan(tick))
            publishers["cmd_vel"].publish(TwistStamped())
            executor.spin_once(timeout_sec=0.01)
        # What the recorder asks for is answered here.
        later = time.monotonic() + 2.0
        until(executor, lambda: time.monotonic() > later)
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT) == 0
    finally:
        process.kill()
    assert "0 dropped" in process.stdout.read().splitlines()[-1]
    bag = load(tmp_path / "walk.mcap")
    bag.require()
    assert bag.namespace == "/alpha" and bag.damage == []
    assert bag.states["tick"].tolist() == bag.commands["tick"].tolist() == list(TICKS)
    assert [recorded.plan.start_tick for recorded in bag.plans] == list(TICKS)
    assert bag.commands["joint_pos"][4].tolist() == action_of(TICKS[4]).tolist()
    assert bag.rewards[0][1].weights == {"energy": 0.5}
    assert bag.streams["/alpha/cmd_vel"].type_name == "geometry_msgs/msg/TwistStamped"
    assert len(bag.streams["/alpha/cmd_vel"].log_times) == len(TICKS)
    assert bag.manifest.planner["artefact"] == "go2" and bag.manifest.artefacts == (ARTEFACT,)
    assert bag.summary["end"] == "asked" and bag.summary["rewards"]["3"]["weights"] == {"energy": 0.5}
