"""Joining the robot's topics from a node: a network card that comes late, and whose robot may be meant."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError, InterfaceError
from diffusion_mpc_ros.nodes import robot_domain
from diffusion_mpc_ros.nodes.robot_domain import POLL_PERIOD, has_address, join, robot_profile
from diffusion_mpc_ros.nodes.robot_settings import RobotSettings

VALUES = RobotSettings("eth7", 3, 60.0)


class Clock:
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Node:
    """What ``join`` needs of a node; asked to end from ``ends_at`` [s] on."""

    def __init__(self, clock: Clock, ends_at: float = float("inf")) -> None:
        self.lines: list[str] = []
        self.warning = self.lines.append
        self._clock, self._ends_at = clock, ends_at

    @property
    def end_requested(self) -> bool:
        return self._clock.now >= self._ends_at

    def get_logger(self) -> Node:
        return self


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(robot_domain, "time", clock)
    monkeypatch.setattr(robot_domain, "open_domain", lambda interface, domain_id: (interface, domain_id, clock.now))
    return clock


def test_a_card_is_waited_for_and_that_is_said_every_five_seconds(clock, monkeypatch):
    looks = itertools.count()
    monkeypatch.setattr(robot_domain, "has_address", lambda interface: next(looks) >= 60)
    node = Node(clock)
    interface, domain_id, when = join(node, VALUES)
    assert (interface, domain_id) == ("eth7", 3) and when == pytest.approx(100.0 + 60 * POLL_PERIOD)
    assert len(node.lines) == 3
    assert node.lines[0].endswith("is not there or has no IPv4 address yet: waiting, 0 of 60 s")
    assert node.lines[2].endswith("waiting, 10 of 60 s")


def test_the_wait_is_bounded_and_then_the_reason_is_open_domains(clock, monkeypatch):
    monkeypatch.setattr(robot_domain, "has_address", lambda interface: False)
    assert join(Node(clock), VALUES)[2] == pytest.approx(160.0, abs=2 * POLL_PERIOD)
    clock.now = 100.0
    assert join(Node(clock), replace(VALUES, wait_for_interface=0.0))[2] == 100.0


def test_a_request_to_end_ends_the_wait(clock, monkeypatch):
    monkeypatch.setattr(robot_domain, "has_address", lambda interface: False)
    with pytest.raises(InterfaceError, match="asked to end while waiting for network interface 'eth7'"):
        join(Node(clock, ends_at=103.0), VALUES)
    assert clock.now == pytest.approx(103.0, abs=POLL_PERIOD)


def test_which_cards_have_an_address():
    assert has_address("lo")
    assert not has_address("no_such_card") and not has_address("a_name_that_is_far_too_long_for_a_card")


def test_a_node_refuses_a_simulators_profile_on_a_network_card():
    values = replace(VALUES, robot="unitree_mujoco")
    with pytest.raises(ConfigurationError, match="a real robot may answer"):
        robot_profile(values)
    assert robot_profile(replace(values, network_interface="lo")).simulated
    assert robot_profile(replace(values, simulator_on_network=True)).simulated
    with pytest.raises(ConfigurationError, match="no robot profile"):
        robot_profile(replace(values, robot=""))
