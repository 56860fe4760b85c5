"""The view in a real browser beside a walking robot: a slider changes the gait, the stop stops, a lost tab nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from chromium import Chromium, Page, find_chromium
from diffusion_mpc_msgs.msg import JointCommand, RewardWeights
from std_msgs.msg import Bool

from diffusion_mpc_ros.commands.child import Child
from diffusion_mpc_ros.commands.launch import Config
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.nodes.graph_client import OperatorError
from diffusion_mpc_ros.nodes.qos import SETTINGS, STREAM
from diffusion_mpc_ros.nodes.recording_operator import RecordingOperator

WAIT = 60.0
# How long a gait is measured, and how long the weights take to ramp and the gait to follow [s].
MEASURED, RAMPED = 2.5, 3.0
# One candidate and half the steps: the machine that runs the tests may be slow.
PLANNER = ("planner.candidates=1", "planner.steps=5", "planner.sampler=ddim")
SLIDER = "[...document.querySelectorAll('label')].find(l => l.innerText.trim() === 'joint velocity')"
THUMB = f"(e => {{while (e && !e.querySelector('[role=slider]')) e = e.parentElement; return e}})({SLIDER})"
THUMB += "?.querySelector('[role=slider]')"


@pytest.fixture
def controller(ros_domain, free_domain) -> Iterator[Child]:
    """The processes of a simulated robot with the view, on ports that are free."""
    if not find_chromium():
        pytest.skip("no browser: there is no Chromium on this machine (Debian: apt install chromium)")
    config = Config(view=True, domain_id=free_domain(), parameters=(*PLANNER, "view.port=0"))
    with Child(config) as child:
        yield child


@pytest.fixture
def operator(controller) -> Iterator[RecordingOperator]:
    with RecordingOperator() as operator:
        operator.record()
        yield operator


@pytest.fixture
def chromium(controller, tmp_path) -> Iterator[Chromium]:
    # Small windows: without a graphics card every pixel of them takes the processor from the robot.
    browser = Chromium(tmp_path / "profile", (800, 700))
    yield browser
    browser.close()


def url_of(child: Child) -> str:
    """Wait until the view says where it is."""
    deadline = time.monotonic() + WAIT
    while not (found := re.search(r"open (http://\S+) in a browser", child.log.read_text())):
        assert time.monotonic() < deadline, child.tail()
        child.check()
        time.sleep(0.1)
    return found[1]


def ask(operator: RecordingOperator, name: str, mode: Mode) -> None:
    """Ask again and again: what is needed may still be starting."""
    deadline, refusal = time.monotonic() + WAIT, ""
    while operator.mode is not mode:
        assert time.monotonic() < deadline, (operator.mode, operator.fault, refusal)
        try:
            operator.request(name)
            operator.wait(lambda: operator.mode is mode, 5.0)
        except OperatorError as error:
            refusal = str(error)
            time.sleep(0.2)


def joint_speed(operator: RecordingOperator) -> float:
    """Mean square of the joint velocities over the next seconds [rad^2/s^2]."""
    start = time.monotonic()
    time.sleep(MEASURED)
    return float(np.mean([value for when, value in operator.recording.joint_vel if when >= start]))


def until(condition: Callable[[], object], page: Page) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, page.text
        time.sleep(0.05)


def test_a_slider_changes_the_gait_and_the_stop_stops(controller, operator, chromium):
    weights: list[dict[str, float]] = []
    stops: list[bool] = []
    faults: list[str] = []
    node = operator.node
    node.create_subscription(
        RewardWeights, "reward_weights", lambda said: weights.append(dict(zip(said.names, said.weights))), SETTINGS
    )
    node.create_subscription(Bool, "e_stop", lambda said: stops.append(said.data), SETTINGS)
    node.create_subscription(
        JointCommand,
        "joint_command",
        lambda said: faults.append(said.fault) if said.mode == JointCommand.FAULT else None,
        STREAM,
    )
    page, second = (chromium.open(url_of(controller)) for _ in range(2))
    operator.drive()
    ask(operator, "stand_up", Mode.STANDING)
    ask(operator, "walk", Mode.WALKING)
    operator.command(np.array([0.5, 0.0, 0.0]))
    for tab in (page, second):
        tab.has("WALKING")
        tab.until(f"!!({THUMB})")

    before = joint_speed(operator)
    page.drag(THUMB, 60.0)
    until(lambda: weights[-1]["joint_velocity"] > 0.02, page)
    # Both browsers show the same.
    second.until(f"Number({THUMB}.getAttribute('aria-valuenow')) > 0.02")

    # A browser that goes stops nothing.
    second.call("Page.close")
    page.until("/browsers\\s+1\\b/.test(document.body.innerText)")
    time.sleep(RAMPED)
    after = joint_speed(operator)
    assert operator.mode is Mode.WALKING and not stops and not faults, (operator.mode, stops, faults)
    assert after < 0.9 * before, (before, after, weights[-1])

    page.click("[...document.querySelectorAll('button')].find(b => b.innerText.trim() === 'STOP')")
    # How quick a stop is, `diffusion-mpc evaluate stops` measures.
    until(lambda: True in stops and faults, page)
    assert "emergency stop" in faults[0]
    page.has("FAULT")
    page.has("emergency stop")

    page.click(page.button("Clear fault"))
    page.has("DAMPING")
    assert operator.fault == ""
