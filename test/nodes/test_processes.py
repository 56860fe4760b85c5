"""The nodes as processes, spoken to over both middlewares with the real message types."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from diffusion_mpc_msgs.msg import Plan, RobotState
from geometry_msgs.msg import Twist, WrenchStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Imu, JointState

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, JOINT_NAMES
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, SPORTMODESTATE, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.nodes.graph_client import OperatorError
from diffusion_mpc_ros.nodes.operator import Operator
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM
from diffusion_mpc_ros.nodes.simulation_loop import SimulationLoop
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose

WAIT = 60.0


@pytest.fixture
def simulated_robot(domain):
    """A robot that stands, held by nothing but its first commands, in this process."""
    simulation = Go2Simulation(command_timeout=WAIT)
    simulation.reset(Pose.STANDING)
    simulation.set_command(JointCommand.position(DEFAULT_JOINT_POS, 60.0, 5.0))
    failures = []
    loop = SimulationLoop(domain, simulation, None, failures.append)
    yield domain
    loop.close()
    assert not failures


def test_state_estimator(start_node, probe, simulated_robot, domain_id):
    received = {name: [] for name in ("robot_state", "joint_states", "imu/data", "odom")}
    for name, kind in zip(received, (RobotState, JointState, Imu, Odometry)):
        probe.create_subscription(kind, name, received[name].append, STREAM)
    commands = Publisher(simulated_robot, LOWCMD)
    node = start_node("state_estimator", network_interface="lo", domain_id=domain_id)
    targets = DEFAULT_JOINT_POS + 0.01

    def settled() -> bool:
        commands.publish(JointCommand.position(targets, 60.0, 5.0))
        states = received["robot_state"]
        return len(states) > 20 and np.abs(states[-1].previous_action - targets).max() < 1e-6 and all(received.values())

    probe.until(settled)
    commands.close()
    states = received["robot_state"]
    ticks = [state.tick for state in states]
    assert ticks == sorted(set(ticks))
    assert all(state.tick == state.lowstate_tick_ms // 20 for state in states)
    last = states[-1]
    assert np.abs(last.joint_pos - DEFAULT_JOINT_POS).max() < 0.2
    assert last.base_height == pytest.approx(0.3, abs=0.05)
    assert received["joint_states"][-1].name == list(JOINT_NAMES)
    assert received["odom"][-1].child_frame_id == received["imu/data"][-1].header.frame_id == "base"
    assert node.terminate() == 0, node.output


def test_state_estimator_names_the_foot_whose_sensor_is_dead(start_node, probe, domain_id):
    reported = []
    probe.create_subscription(DiagnosticArray, "/diagnostics", reported.append, RELIABLE)
    node = start_node("state_estimator", network_interface="lo", domain_id=domain_id)
    simulation = Go2Simulation()
    simulation.reset(Pose.STANDING)
    with open_domain("lo", domain_id) as domain:
        lowstates = Publisher(domain, LOWSTATE)

        def told() -> bool:
            lowstate = simulation.step_control_tick(JointCommand.position(DEFAULT_JOINT_POS, 60.0, 5.0))
            lowstates.publish(replace(lowstate, foot_force=lowstate.foot_force * [1.0, 0.0, 1.0, 1.0]))
            return bool(reported) and reported[-1].status[0].level == DiagnosticStatus.WARN

        probe.until(told)
        lowstates.close()
    status = reported[-1].status[0]
    assert status.name == "/state_estimator" and "FL (dead" in status.message
    told = {value.key: value.value for value in status.values}
    assert told == {"contact_FR": "sensor", "contact_FL": "inferred", "contact_RR": "sensor", "contact_RL": "sensor"}
    assert node.terminate() == 0 and "force sensors: FL (dead" in node.output


def test_command_publisher_obeys_and_damps_at_the_end(start_node, ros_domain, simulated_robot, domain_id):
    wire = Subscriber(simulated_robot, LOWCMD)
    node = start_node("command_publisher", network_interface="lo", domain_id=domain_id)
    with Operator() as operator:
        operator.follow()
        assert operator.wait(lambda: operator.mode is Mode.DAMPING, WAIT), node.output
        with pytest.raises(OperatorError, match="stand_up"):
            operator.request("walk")
        operator.request("stand_up")
        assert operator.wait(lambda: operator.mode is Mode.STANDING, WAIT), node.output
    assert wire.latest().kp.max() > 0.0
    assert node.terminate() == 0, node.output
    assert wire.latest().kp.max() == 0.0 and wire.latest().kd.min() > 0.0
    assert "Traceback" not in node.output
    wire.close()


def test_planner_plans_from_states(start_node, probe, random_artefact):
    plans = []
    probe.create_subscription(Plan, "plan", plans.append, RELIABLE)
    states = probe.create_publisher(RobotState, "robot_state", STREAM)
    commands = probe.create_publisher(Twist, "cmd_vel", RELIABLE)
    # The machine that runs the tests may be slow; only one candidate and one step are asked for.
    node = start_node("planner", artefact=random_artefact, candidates=1, steps=1, replan_margin=10, replan_interval=1)
    message = RobotState(joint_pos=DEFAULT_JOINT_POS, previous_action=DEFAULT_JOINT_POS)
    message.orientation.w = 1.0

    def planned() -> bool:
        assert node.process.poll() is None, node.output
        message.tick += 1
        states.publish(message)
        commands.publish(Twist())
        return len(plans) > 3

    probe.until(planned)
    plan = plans[-1]
    assert 0 < plan.start_tick <= message.tick
    assert len(plan.joint_targets) == 12 * plan.horizon == 132
    assert len(plan.artefact) == 64
    assert node.terminate() == 0, node.output


def test_what_is_wrong_is_told_and_nothing_moves(start_node, simulated_robot, domain_id, random_artefact, tmp_path):
    wire = Subscriber(simulated_robot, LOWCMD)
    corrupt = tmp_path / "corrupt"
    shutil.copytree(random_artefact, corrupt)
    with (corrupt / "model.onnx").open("ab") as model:
        model.write(b"x")
    bad = {
        "nosuch0": start_node("command_publisher", network_interface="nosuch0", domain_id=domain_id),
        "corrupt": start_node("planner", artefact=corrupt),
        "replan margin D = 11": start_node("planner", artefact=random_artefact, replan_margin=11),
        "candidates": start_node("planner", artefact=random_artefact, candidates=0),
        "replan_margin = 'soon'": start_node("planner", artefact=random_artefact, replan_margin="soon"),
    }
    for named, node in bad.items():
        assert node.wait() == 2, node.output
        assert named in node.output and "Traceback" not in node.output
    assert wire.received == 0
    wire.close()


def test_rewards_over_the_service(start_node, ros_domain, capsys):
    node = start_node("reward_composer")
    assert cli.main(["rewards", "set", "energy=0.5", "--ramp", "0"]) == 0, node.output
    assert cli.main(["rewards", "set", "energy=nan"]) == 2
    assert cli.main(["rewards", "get"]) == 0
    captured = capsys.readouterr()
    assert "revision 1: energy=0.5" in captured.out
    assert "energy" in captured.err and captured.err.count("\n") == 1
    assert "0 .. 2" in captured.out
    assert cli.main(["rewards", "undo"]) == 0
    assert "no reward" in capsys.readouterr().out
    assert node.terminate() == 0


def test_simulator_is_a_robot_that_can_be_pushed(start_node, probe, domain_id):
    node = start_node("go2_simulator", network_interface="lo", domain_id=domain_id)
    pushes = probe.create_publisher(WrenchStamped, "external_wrench", RELIABLE)
    with open_domain("lo", domain_id) as domain:
        states, truths = Subscriber(domain, LOWSTATE), Subscriber(domain, SPORTMODESTATE)
        assert states.wait(WAIT, received=50) and truths.wait(WAIT, received=5), node.output
        assert states.rejected == 0, states.last_error
        push = WrenchStamped()
        push.wrench.force.y = 150.0

        def pushed() -> bool:
            pushes.publish(push)
            return truths.latest().position[1] > 0.1

        probe.until(pushed)
        states.close()
        truths.close()
    assert node.terminate() == 0, node.output
    assert "Traceback" not in node.output


def test_simulator_stays_until_nobody_commands_it(start_node, probe, domain_id):
    """Without a robot command_publisher could lay nothing down."""
    node = start_node("go2_simulator", network_interface="lo", domain_id=domain_id)
    with open_domain("lo", domain_id) as domain:
        states, commands = Subscriber(domain, LOWSTATE), Publisher(domain, LOWCMD)
        assert states.wait(WAIT) and commands.wait_for_subscriber(WAIT), node.output
        commands.publish(JointCommand.damping(5.0))
        node.process.terminate()
        # 2 s of LowState.
        assert states.wait(WAIT, received=states.received + 1000), node.output
        commands.close()
        assert node.wait() == 0, node.output
        states.close()
    assert "error" not in node.output


def test_a_node_that_nobody_reads_still_estimates(ros_domain, probe, simulated_robot, domain_id):
    """Its output goes to a full pipe; it says what it has to say, estimates, and ends when told."""
    received = []
    probe.create_subscription(RobotState, "robot_state", received.append, STREAM)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    command = [sys.executable, "-m", "diffusion_mpc_ros.nodes.state_estimator", "--ros-args", "--log-level", "debug"]
    parameters = ["-p", "network_interface:=lo", "-p", f"domain_id:={domain_id}"]
    process = subprocess.Popen([*command, *parameters], stdout=writer, stderr=writer)
    probe.until(lambda: len(received) > 100)
    process.terminate()
    assert process.wait(WAIT) == 0
    for end in (reader, writer):
        os.close(end)
