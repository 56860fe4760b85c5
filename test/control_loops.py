"""A control loop on real DDS topics with a simulated robot, for tests; the fixtures are in nodes/conftest.py."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections import deque

import numpy as np

from diffusion_mpc_ros.control.authority import Holding
from diffusion_mpc_ros.control.modes import Event, Mode
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, MOTOR_MODE_SERVO
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import Plan, Timing
from diffusion_mpc_ros.go2.link_options import LinkOptions
from diffusion_mpc_ros.go2.profile import GO2, RobotProfile
from diffusion_mpc_ros.nodes.control_loop import ControlLoop
from diffusion_mpc_ros.nodes.operator_inputs import OperatorInputs
from diffusion_mpc_ros.nodes.operator_side import OperatorSide
from diffusion_mpc_ros.nodes.robot_link import RobotLink

WAIT = 30.0
TIMING = Timing(horizon=11, replan_margin=3, replan_interval=1)
# Wide enough for a busy machine, and motions as quick as the settings' bounds allow.
QUICK = {
    "lowstate_age_max": 0.5,
    "arming_lowstate_age_max": 0.5,
    "loop_stall_max": 0.5,
    "watchdog_timeout": 0.5,
    "fold_time": 0.3,
    "stand_up_time": 0.5,
    "sit_down_time": 0.5,
    "settle_time": 0.1,
}
SETTINGS = dataclasses.replace(load_safety_settings(config_file("safety.yaml")), **QUICK)


class Controller:
    """A control loop with its link, and everything it reported."""

    def __init__(self, domain, domain_id: int, profile: RobotProfile = GO2, **options) -> None:
        self.failures = []
        self.steps = queue.Queue()
        self.plans = threading.Event()
        self.broken_report = threading.Event()
        # What the next reading of the operator's topics finds, and what comes right after it.
        self.unread, self.after_reading = deque(), deque()
        self.link = RobotLink(
            domain,
            LinkOptions("lo", domain_id, SETTINGS.watchdog_timeout, profile=profile, **options),
            self.failures.append,
        )
        self.held = True
        self.dry_run = options.get("dry_run", False)
        operator = OperatorSide(OperatorInputs(), self._read_operator)
        self.loop = ControlLoop(domain, self.link, SETTINGS, TIMING, self._on_step, self.failures.append, operator)

    def _read_operator(self, lowstate, walking) -> Holding:
        for waiting in (self.unread, self.after_reading):
            for action in [waiting.popleft() for _ in range(len(waiting))]:
                action()
        if self.held is None:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "a foreign name")
        return Holding("test", self.held, np.zeros(3))

    def _on_step(self, step) -> None:
        self.steps.put(step)
        if self.plans.is_set():
            # Rows of the standing pose, each moved by a mark of its own.
            targets = np.repeat(DEFAULT_JOINT_POS[None], TIMING.horizon, axis=0)
            self.loop.add(Plan(step.tick, targets + 0.001 * np.arange(TIMING.horizon)[:, None]))
        if self.broken_report.is_set():
            raise OSError("no space left on device")

    def until(self, condition):
        """The first step from now on for which ``condition`` holds."""
        while True:
            step = self.steps.get(timeout=WAIT)
            if condition(step):
                return step

    def until_armable(self) -> None:
        self.until(lambda step: self._motors_follow(step.lowstate) and self.loop.turns.link_status.watchdog_ready)

    def _motors_follow(self, lowstate) -> bool:
        return lowstate is not None and (self.dry_run or bool((lowstate.motor_mode == MOTOR_MODE_SERVO).all()))

    def stand(self) -> None:
        self.until_armable()
        assert self.loop.request(Event.STAND_UP, WAIT) == (True, "damping -> standing_up")
        self.until(lambda step: step.output.mode is Mode.STANDING)

    def walk(self) -> None:
        self.stand()
        self.plans.set()
        accepted, message = self.loop.request(Event.WALK, WAIT)
        while not accepted:
            assert "no plan has a row" in message, message
            self.until(lambda step: True)
            accepted, message = self.loop.request(Event.WALK, WAIT)

    def close(self) -> None:
        self.loop.close()
        assert not self.failures
