"""Declarations while the planner plans: in the next plan, whole or not at all, refused where there is no model."""

from __future__ import annotations

import pytest
from diffusion_mpc_msgs.msg import Plan, RobotState
from diffusion_mpc_msgs.srv import DeclareModel

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM


@pytest.fixture
def declared(start_node, probe):
    """A function that starts a planner, and gives ``ask(names, values, clear)`` and the plans that it makes."""

    def start(planner: str, **parameters):
        plans = []
        probe.create_subscription(Plan, "plan", plans.append, RELIABLE)
        client = probe.create_client(DeclareModel, "declare_model")
        states = probe.create_publisher(RobotState, "robot_state", STREAM)
        node = start_node("planner", planner=planner, replan_margin=3, time_budget_ms=0.0, **parameters)
        message = RobotState(joint_pos=DEFAULT_JOINT_POS, previous_action=DEFAULT_JOINT_POS, base_height=0.3)
        message.orientation.w = 1.0

        def go_on() -> bool:
            assert node.process.poll() is None, node.output
            message.tick += 1
            states.publish(message)
            return bool(plans)

        def ask(names=(), values=(), clear=False) -> DeclareModel.Response:
            request = DeclareModel.Request(names=list(names), values=list(values), clear=clear)
            future = client.call_async(request)
            probe.until(lambda: go_on() and future.done())
            before = len(plans)
            probe.until(lambda: go_on() and len(plans) > before + 2)
            return future.result()

        probe.until(go_on)
        return ask, plans, node

    return start


def facts(plan: Plan) -> dict[str, float]:
    told = dict(zip(plan.fact_names, plan.fact_values, strict=True))
    return {name: value for name, value in told.items() if name.startswith("declared_")}


def test_a_declaration_acts_in_the_next_plan_or_is_refused_whole(declared) -> None:
    ask, plans, node = declared("dial_mpc", samples=4, iterations=1, first_iterations=1, lookahead=12, knots=4)
    assert not facts(plans[-1])
    answer = ask(["payload_mass", "payload_z", "FL_calf"], [6.0, 0.2, 0.4])
    assert answer.success
    assert answer.message == "planning with payload 6 kg at (0, 0, 0.2) m, FL_calf at 40% of its torque"
    told = {"declared_payload_mass": 6.0, "declared_payload_z": 0.2, "declared_FL_calf": 0.4}
    assert facts(plans[-1]) == told
    for names, values, words in (
        (["slope", "payload_mass"], [5.0, 99.0], "payload_mass = 99.0: needed is a number in 0 .. 15 kg"),
        (["payload"], [1.0], "nothing called 'payload' can be declared; did you mean payload_"),
        (["slope"], [], "a number for each name"),
    ):
        answer = ask(names, values)
        assert not answer.success and words in answer.message
        assert dict(zip(answer.names, answer.values, strict=True))["payload_mass"] == 6.0
        assert facts(plans[-1]) == told
    answer = ask(["slope"], [5.0], clear=True)
    assert answer.message == "planning with slope of 5 deg towards 0 deg"
    assert facts(plans[-1]) == {"declared_slope": 5.0}
    assert node.terminate() == 0 and "Traceback" not in node.output


def test_a_planner_without_a_model_refuses(declared, random_artefact) -> None:
    ask, _, node = declared("diffusion_mpc", artefact=random_artefact, candidates=1, steps=2)
    answer = ask(["payload_mass"], [6.0])
    assert not answer.success and not answer.names
    assert "the planner 'diffusion_mpc' plans without a model of the robot" in answer.message
    assert node.terminate() == 0 and "Traceback" not in node.output
