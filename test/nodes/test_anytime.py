"""The planner as a process that has too little time: it plans with less, and says so."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from diffusion_mpc_msgs.msg import Plan, RobotState

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM


def test_a_planner_without_time_degrades_and_says_so(start_node, probe, random_artefact):
    plans, reported = [], []
    probe.create_subscription(Plan, "plan", plans.append, RELIABLE)
    probe.create_subscription(DiagnosticArray, "/diagnostics", reported.append, RELIABLE)
    states = probe.create_publisher(RobotState, "robot_state", STREAM)
    # No machine plans in 10 us; the last level is in time all the same: 200 ms are allowed.
    parameters = {"candidates": 4, "replan_margin": 10, "replan_interval": 1, "time_budget_ms": 0.01}
    node = start_node("planner", artefact=random_artefact, **parameters)
    message = RobotState(joint_pos=DEFAULT_JOINT_POS, previous_action=DEFAULT_JOINT_POS)
    message.orientation.w = 1.0

    def told() -> bool:
        assert node.process.poll() is None, node.output
        message.tick += 1
        states.publish(message)
        values = {value.key: value.value for value in reported[-1].status[0].values} if reported else {}
        return len(plans) > 3 and int(values.get("over_budget", 0)) > 3

    probe.until(told)
    status = reported[-1].status[0]
    values = {value.key: value.value for value in status.values}
    assert status.level == DiagnosticStatus.WARN
    assert "degraded to level 4 of 0..4: N = 1, 10 DDPM steps, 7 of them cached" in status.message
    assert (values["level"], values["levels"], values["candidates"], values["cached_steps"]) == ("4", "5", "1", "7")
    assert values["time_budget_ms"] == "0.01"
    assert dict(zip(plans[-1].fact_names, plans[-1].fact_values))["denoising_steps"] == 3
    assert "cores, not pinned" in node.output and "level 4 of 0..4" in node.output
    assert node.terminate() == 0 and "Traceback" not in node.output


def test_a_budget_longer_than_the_timing_allows_is_refused(start_node, random_artefact):
    node = start_node("planner", artefact=random_artefact, time_budget_ms=61.0)
    assert node.wait() == 2, node.output
    assert "time budget 61 ms does not fit" in node.output and "Traceback" not in node.output
