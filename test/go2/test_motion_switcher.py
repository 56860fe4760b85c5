"""Asking and releasing the robot's own controller, against a server on the same DDS topics."""

from __future__ import annotations

from contextlib import closing

import pytest

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.go2 import motion_switcher
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.go2.motion_switcher import CHECK_MODE, RELEASE_MODE, SELECT_MODE, STAND_DOWN, MotionSwitcher

TIMEOUT = 10.0


@pytest.fixture
def domain(free_domain):
    with open_domain("lo", free_domain()) as opened:
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


def test_a_busy_motion_switcher_is_asked_again(domain, monkeypatch):
    """Error 7002 to the first two releases; the third is taken."""
    answers, answer = [(7002, ""), (7002, "")], motion_switcher.MotionSwitcherServer._answer

    def busy(self, service, api_id, parameter):
        return answers.pop() if api_id == RELEASE_MODE and answers else answer(self, service, api_id, parameter)

    monkeypatch.setattr(motion_switcher.MotionSwitcherServer, "_answer", busy)
    with server(domain, mode="mcf"), MotionSwitcher(domain, TIMEOUT) as switcher:
        assert switcher.release(wait=lambda _: None) == "mcf"
        assert answers == [] and switcher.active_mode() == ""


def test_a_mode_is_selected_after_a_release_and_from_another(domain):
    waits = []
    with server(domain, mode="normal", releases_needed=2) as robot, MotionSwitcher(domain, TIMEOUT) as switcher:
        assert switcher.release(wait=lambda _: None) == "normal"
        assert switcher.select("normal", interval=0.5, wait=waits.append) == "normal"
        assert switcher.select("ai", interval=0.5, wait=waits.append) == "ai"
        # Active already: it is not disturbed.
        assert switcher.select("ai", wait=waits.append) == "ai"
        assert switcher.active_mode() == "ai"
        assert robot.requests.count(SELECT_MODE) == 2
        # Selected again, it takes as many releases as before.
        assert switcher.release(wait=lambda _: None) == "ai"
        assert robot.requests.count(RELEASE_MODE) == 4
    assert waits == [0.5, 0.5]


@pytest.mark.parametrize(("before", "state"), [("", "none is active"), ("mcf", "'mcf' is active")])
def test_a_mode_that_the_robot_does_not_know_is_an_error_with_the_cause_and_valid_names(domain, before, state):
    with server(domain, mode=before) as robot, MotionSwitcher(domain, TIMEOUT) as switcher:
        cause = rf"{state} .*7004 \(no such mode\).*normal, ai, advanced, mcf"
        with pytest.raises(InterfaceError, match=f"'nromal' did not take over after 2 requests, {cause}"):
            switcher.select("nromal", attempts=2, wait=lambda _: None)
        assert robot.requests.count(SELECT_MODE) == 2
        assert switcher.active_mode() == before


def test_a_robot_that_says_yes_and_does_nothing_is_not_believed(domain, monkeypatch):
    monkeypatch.setattr(motion_switcher.MotionSwitcherServer, "_select", lambda *_: 0)
    with server(domain, mode="mcf"), MotionSwitcher(domain, TIMEOUT) as switcher:
        with pytest.raises(InterfaceError, match="'ai' did not take over after 3 requests, 'mcf' is active; names"):
            switcher.select("ai", attempts=3, wait=lambda _: None)


@pytest.mark.parametrize("parameter", ["", "{}", "[]", "null", "not json"])
def test_a_select_without_a_name_is_refused_by_the_server(domain, parameter):
    with server(domain), closing(motion_switcher._Service(domain, "motion_switcher", TIMEOUT)) as service:
        with pytest.raises(InterfaceError, match=r"7001 \(bad parameter\)"):
            service.call(SELECT_MODE, parameter)


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


def test_who_waits_may_give_up(domain):
    with server(domain, mode="mcf", releases_needed=2) as robot, MotionSwitcher(domain, TIMEOUT) as switcher:
        with pytest.raises(InterfaceError, match="given up before it was done"):
            switcher.release(wait=lambda _: True)
        assert STAND_DOWN in robot.requests and RELEASE_MODE not in robot.requests
        with pytest.raises(InterfaceError, match="given up before it was done"):
            switcher.select("ai", wait=lambda _: True)
