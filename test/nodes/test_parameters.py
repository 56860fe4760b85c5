"""Settings as ROS parameters: descriptors, types, and what is refused."""

from __future__ import annotations

import pytest
import rclpy
from rclpy.parameter import Parameter

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import declarations
from diffusion_mpc_ros.nodes.parameters import declare, describe_unusable
from diffusion_mpc_ros.nodes.settings import Go2SimulatorSettings, PlannerSettings
from diffusion_mpc_ros.nodes.settings_lookup import NODES
from diffusion_mpc_ros.planners.diffusion_mpc.settings import DiffusionMpcSettings


@pytest.fixture
def make_node(ros_domain):
    """A function that makes a node with parameter overrides; nothing spins it."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    nodes = []

    def make(**overrides):
        given = [Parameter(name, value=value) for name, value in overrides.items()]
        nodes.append(rclpy.create_node(f"node_{len(nodes)}", context=context, parameter_overrides=given))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_without_overrides_every_node_has_its_defaults(make_node):
    for kind in (*NODES.values(), DiffusionMpcSettings):
        assert declare(make_node(), kind) == kind()


def test_descriptors_say_what_the_declarations_say(make_node):
    node = make_node()
    declare(node, Go2SimulatorSettings)
    payload = node.describe_parameter("payload")
    assert (payload.description, payload.read_only) == ("Payload fixed to the base.", False)
    assert payload.additional_constraints == "a number in 0 .. 20 kg"
    (bounds,) = payload.floating_point_range
    assert (bounds.from_value, bounds.to_value) == (0.0, 20.0)
    releases = node.describe_parameter("releases_needed")
    assert releases.read_only and releases.integer_range[0].to_value == 100


@pytest.mark.parametrize(
    ("overrides", "name", "value"),
    [
        ({"replan_margin": "auto"}, "replan_margin", None),
        ({"replan_margin": 1}, "replan_margin", 1),
        ({"max_command": [1.0, 0.0, 0.5]}, "max_command", (1.0, 0.0, 0.5)),
        ({"time_budget_ms": 0.0}, "time_budget_ms", 0.0),
    ],
)
def test_overrides_are_taken(make_node, overrides, name, value):
    assert getattr(declare(make_node(**overrides), PlannerSettings), name) == value


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"replan_margin": -1}, "replan_margin.*needed is a whole number in 0 .. 63 control ticks, or auto"),
        ({"replan_margin": "three"}, "replan_margin = 'three': needed is a whole number in 0 .. 63"),
        ({"replan_margin": "2"}, "replan_margin = '2': needed"),
        ({"replan_margin": 1.0}, "replan_margin = 1.0: needed"),
        ({"replan_margin": True}, "replan_margin = True: needed"),
        ({"horizon": "auto"}, "horizon.*needed is a whole number in 1 .. 64"),
        ({"time_budget_ms": 1}, "time_budget_ms.*needed is a number in -1 .. 2000 ms"),
        ({"time_budget_ms": float("nan")}, "time_budget_ms.*needed is a number"),
        ({"max_command": [1.0, 2.0]}, "max_command = .*: needed is 3 numbers"),
        ({"max_command": [1.0, float("nan"), 0.0]}, "max_command = .*: needed is 3 numbers"),
        ({"max_command": [1.0, -1.0, 0.0]}, r"max_command = .*in 0 .. 100"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(make_node, overrides, words):
    with pytest.raises(ConfigurationError, match=words) as raised:
        declare(make_node(**overrides), PlannerSettings)
    assert "node_0" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("robot_controller", "sport", "needed is one of '', normal, ai"),
        ("robot_controller", "nromal", "did you mean normal"),
        ("friction", 3.1, "needed is a number in 0.05 .. 3"),
        ("friction", float("inf"), "is not finite"),
        ("payload", "heavy", "needed is a number in 0 .. 20 kg"),
        ("payload", 1.5, ""),
        # What may not change at all, rclpy refuses itself.
        ("viewer", True, ""),
        ("unknown", 1, ""),
    ],
)
def test_a_live_value_that_does_not_fit_is_refused_before_the_node_sees_it(name, value, words):
    reason = describe_unusable([Parameter(name, value=value).to_parameter_msg()], declarations(Go2SimulatorSettings))
    assert words in reason and bool(words) == bool(reason)
