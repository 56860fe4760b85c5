"""The relay as its own process between two real DDS domains."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque

import numpy as np
import pytest

from diffusion_mpc_ros.commands.answering_child import ChildError
from diffusion_mpc_ros.core.go2 import DAMPING_KD, DEFAULT_JOINT_POS, STANDING_KD, STANDING_KP
from diffusion_mpc_ros.core.types import JointCommand, LowState
from diffusion_mpc_ros.faults.lowstate_faults import LowStateFault
from diffusion_mpc_ros.faults.relay_process import RelayProcess
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcher, MotionSwitcherServer
from diffusion_mpc_ros.simulation.robot import Go2Simulation

WAIT = 20.0
MARK = b"\xa5\x5a"
STAND = JointCommand.position(DEFAULT_JOINT_POS, STANDING_KP, STANDING_KD)


class Ends:
    """A robot that sends a LowState every 2 ms, and a controller that keeps what it gets."""

    def __init__(self, relay: RelayProcess, robot, controller) -> None:
        self.relay, self.robot, self.controller = relay, robot, controller
        self.states: deque[LowState] = deque(maxlen=100_000)
        self.sent = 0  # [ms], the robot's clock
        self.commands = Subscriber(robot, LOWCMD)
        self.sender = Publisher(controller, LOWCMD)
        self._states = Publisher(robot, LOWSTATE)
        self.received = Subscriber(controller, LOWSTATE, self.states.append)
        state = Go2Simulation().lowstate(0.0)
        self._state = dataclasses.replace(state, joint_pos=np.array(DEFAULT_JOINT_POS))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for number in range(1_000_000):
            self.sent = 2 * number
            self._states.publish(dataclasses.replace(self._state, tick_ms=self.sent))
            if self._done.wait(0.002):
                return

    @property
    def ticks(self) -> list[int]:
        """What the controller has got, by the robot's clock [ms]."""
        return [state.tick_ms for state in list(self.states)]

    def until(self, condition) -> None:
        deadline = time.monotonic() + WAIT
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)

    def send(self, command: JointCommand) -> None:
        """Send ``command`` until the robot has it: best effort, and discovery takes a moment.

        Copies of the command sent before may still be under way: what has arrived is told by its gains.
        """
        before = self.commands.received

        def arrived() -> bool:
            self.sender.publish(command)
            newest = self.commands.latest()
            return self.commands.received > before and np.array_equal(newest.kp, command.kp)

        self.until(arrived)

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        for entity in (self.commands, self.sender, self._states, self.received):
            entity.close()


@pytest.fixture
def ends(free_domain, tmp_path):
    robot_id, controller_id = free_domain(), free_domain()
    with RelayProcess("lo", robot_id, controller_id, tmp_path / "relay.log") as relay:
        with open_domain("lo", robot_id) as robot, open_domain("lo", controller_id) as controller:
            ends = Ends(relay, robot, controller)
            try:
                ends.until(lambda: ends.ticks)
                yield ends
            finally:
                ends.close()


def test_both_directions_pass_unchanged(ends):
    ends.send(STAND)
    command = ends.commands.latest()
    for name in ("joint_pos", "joint_vel", "kp", "kd", "torque"):
        np.testing.assert_allclose(getattr(command, name), getattr(STAND, name), atol=1e-6)
    count = len(ends.ticks)
    ends.until(lambda: len(ends.ticks) > count + 50)
    assert all(tick % 2 == 0 for tick in ends.ticks) and ends.received.rejected == 0


def test_motion_switcher_passes(ends):
    server = MotionSwitcherServer(ends.robot, "normal")
    with MotionSwitcher(ends.controller) as switcher:
        assert switcher.active_mode() == "normal"
    server.close()


def test_faults_begin_and_end_on_request(ends):
    ends.relay.set_fault(LowStateFault(bad_crc=1.0))
    ends.until(lambda: ends.received.rejected > 10)
    assert "CRC" in ends.received.last_error
    ends.relay.set_fault(LowStateFault(loss=1.0))
    begun = ends.sent
    ends.until(lambda: ends.sent > begun + 200)
    # What passes from here on bears a mark; what passes unmarked was sent before it was all to be lost.
    ends.relay.set_fault(LowStateFault(remote=MARK.hex()))
    ends.until(lambda: ends.states[-1].wireless_remote.startswith(MARK))
    passed = [state for state in list(ends.states) if state.tick_ms > begun]
    assert passed and all(state.wireless_remote.startswith(MARK) for state in passed)
    ends.relay.set_fault(LowStateFault())
    ends.until(lambda: not ends.states[-1].wireless_remote.startswith(MARK))


def test_clock_jumps(ends):
    ends.relay.shift_clock(100_000_000)
    ends.until(lambda: ends.ticks[-1] > 100_000_000)
    ends.relay.shift_clock(-100_000_000)
    ends.until(lambda: ends.ticks[-1] < 100_000_000)


def test_commands_are_audited_on_the_wire(ends):
    start = time.monotonic()
    ends.send(JointCommand.damping(DAMPING_KD))
    assert ends.relay.report(start)["unsafe"] == {}
    ends.send(STAND)
    assert ends.relay.report(start)["unsafe"]["unasked"] >= 1
    ends.send(JointCommand.damping(DAMPING_KD))
    ends.relay.permit()
    before = ends.relay.report(start)["unsafe"]["unasked"]
    ends.send(STAND)
    report = ends.relay.report(start)
    assert report["unsafe"]["unasked"] == before
    assert report["commands"] >= 4 and report["damping_now"] is False
    ends.until(lambda: ends.relay.report(start)["unsafe"].get("silent stop"))


def test_an_ended_relay_says_so(ends):
    ends.relay.close()
    with pytest.raises(ChildError, match="the relay has ended"):
        ends.relay.permit()
