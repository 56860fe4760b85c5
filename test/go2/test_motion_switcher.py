"""Asking and releasing the robot's own controller, against a server on the same DDS topics."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.go2 import channels, motion_switcher
from diffusion_mpc_ros.go2.motion_switcher import CHECK_MODE, RELEASE_MODE, STAND_DOWN, MotionSwitcher

DOMAIN = 100 + (os.getpid() + 50) % 100
TIMEOUT = 10.0


@pytest.fixture
def domain():
    with channels.open_domain("lo", DOMAIN) as opened:
        yield opened


def server(domain, **arguments):
    return closing(motion_switcher.MotionSwitcherServer(domain, **arguments))


def test_the_simulator_has_no_mode_of_its_own(domain):
    with server(domain) as robot, MotionSwitcher(domain, TIMEOUT) as switcher:
        assert switcher.active_mode() == ""
        assert switcher.release() == ""
        assert RELEASE_MODE not in robot.requests


def test_an_active_mode_is_named_and_released_lying(domain):
    waits = []
    with server(domain, mode="mcf", releases_needed=3) as robot, MotionSwitcher(domain, TIMEOUT) as switcher:
        assert switcher.active_mode() == "mcf"
        assert switcher.release(attempts=4, interval=0.5, wait=waits.append) == "mcf"
        assert switcher.active_mode() == ""
        assert robot.requests.index(STAND_DOWN) < robot.requests.index(RELEASE_MODE)
        assert robot.requests.count(RELEASE_MODE) == 3
    assert waits == [3.0, 0.5, 0.5, 0.5]


def test_a_mode_that_does_not_let_go_is_an_error_that_names_it(domain):
    with server(domain, mode="ai", releases_needed=100) as robot, MotionSwitcher(domain, TIMEOUT) as switcher:
        with pytest.raises(InterfaceError, match="'ai' still commands the motors after 2 releases"):
            switcher.release(attempts=2, wait=lambda _: None)
        assert robot.requests.count(RELEASE_MODE) == 2


def test_nobody_there_is_an_error_and_not_an_empty_mode(domain):
    with MotionSwitcher(domain, timeout=0.05) as switcher:
        with pytest.raises(InterfaceError, match="nobody serves rt/api/motion_switcher/request"):
            switcher.active_mode()


@pytest.mark.parametrize("answer", ["", "null", "[]", "{}", "not json"])
def test_an_answer_without_a_name_is_an_error_and_not_an_empty_mode(domain, monkeypatch, answer):
    monkeypatch.setattr(motion_switcher.MotionSwitcherServer, "_answer", lambda *_: (0, answer))
    with server(domain), MotionSwitcher(domain, TIMEOUT) as switcher:
        with pytest.raises(InterfaceError, match="not the name of a mode"):
            switcher.active_mode()


def test_a_refused_request_tells_the_code(domain, monkeypatch):
    monkeypatch.setattr(motion_switcher.MotionSwitcherServer, "_answer", lambda *_: (7001, ""))
    with server(domain), MotionSwitcher(domain, TIMEOUT) as switcher:
        with pytest.raises(InterfaceError, match=f"request {CHECK_MODE} with error code 7001"):
            switcher.active_mode()


def test_unknown_requests_are_refused_by_the_server(domain):
    with server(domain), closing(motion_switcher._Service(domain, "sport", TIMEOUT)) as sport:
        with pytest.raises(InterfaceError, match="3203"):
            sport.call(1008)
