"""The simulated robot's own controller: released and selected by the command, activated again while running."""

from __future__ import annotations

import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from diffusion_mpc_ros.commands import release
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcher

# An answer that is sent before who asked is discovered is lost: it is asked for again after so long [s], twice.
WAIT = 10.0


@pytest.fixture
def link(free_domain):
    """The id of a Unitree domain of this test's own."""
    return free_domain()


def active_mode(link: int) -> str:
    """What the robot says."""
    with open_domain("lo", link) as domain, MotionSwitcher(domain, WAIT) as switcher:
        return switcher.active_mode()


def test_released_selected_and_activated_again(start_node, probe, link, capsys):
    start_node("go2_simulator", network_interface="lo", domain_id=link, robot_controller="normal", releases_needed=2)
    client = probe.create_client(SetParameters, "go2_simulator/set_parameters")
    probe.until(client.service_is_ready)
    assert active_mode(link) == "normal"
    release.main(release.Config("lo", link))
    assert capsys.readouterr().out == "the robot's controller 'normal' has let go\n"
    assert active_mode(link) == ""
    release.main(release.Config("lo", link, select="ai"))
    assert capsys.readouterr().out == "the robot's controller 'ai' commands the motors\n"
    assert active_mode(link) == "ai"

    def set_controller(name: str):
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=name)
        future = client.call_async(SetParameters.Request(parameters=[Parameter(name="robot_controller", value=value)]))
        probe.until(future.done)
        return future.result().results[0]

    # The parameter still says "normal"; setting it activates it all the same.
    assert set_controller("normal").successful
    assert active_mode(link) == "normal"
    refused = set_controller("sport")
    assert not refused.successful and "'sport': needed is one of '', normal, ai, advanced, mcf" in refused.reason
    assert active_mode(link) == "normal"
    assert set_controller("").successful
    assert active_mode(link) == ""


def test_an_unknown_controller_at_start_is_refused(start_node, link):
    node = start_node("go2_simulator", network_interface="lo", domain_id=link, robot_controller="sport")
    assert node.wait() == 2
    assert "robot_controller = 'sport': needed is one of '', normal, ai, advanced, mcf" in node.output
