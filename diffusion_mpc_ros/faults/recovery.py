"""What an operator does to make the robot walk again, whatever happened: one step at a time, each noted."""

from __future__ import annotations

import time

import numpy as np

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.nodes.graph_client import OperatorError

FORWARD = (0.4, 0.0, 0.0)
# From processes that are just started to walking; and from a fault to walking, with a few refusals [s].
STARTED, WALKS = 60.0, 30.0
STARTS = 2
MODE_TIMEOUT = 6.0
FRESH = 0.5
# A base further over than this [rad] gets up by a hand, here the simulator's.
LIES_OVER = 0.5
REQUESTS = {Mode.FAULT: "clear_fault", Mode.DAMPING: "stand_up", Mode.STANDING: "walk"}
# Walking is judged by the plans that are followed and the velocity over this long [s].
WALKING_WINDOW = 0.5


class NotRecovered(DiffusionMpcError):
    """The robot does not do what the operator asked for."""


def walk_again(harness: Harness, cmd_vel: tuple[float, float, float] = FORWARD) -> list[str]:
    """Restart what has died, clear, stand up, walk at ``cmd_vel``; the steps taken. Raises NotRecovered."""
    return _Recovery(harness, cmd_vel).run()


def sit_down(harness: Harness) -> list[str]:
    """Sit the robot down; raises NotRecovered when it does not end in damping."""
    harness.request("sit_down")
    if not harness.monitor.wait(lambda: harness.monitor.mode() is Mode.DAMPING, MODE_TIMEOUT):
        raise NotRecovered(f"did not sit down, it is {_name(harness.monitor.mode())}")
    return ["sit_down"]


def is_walking(harness: Harness, cmd_vel: tuple[float, float, float]) -> bool:
    """Whether it follows its plans, upright, and at least at half the speed asked for."""
    monitor, start = harness.monitor, time.monotonic() - WALKING_WINDOW
    commands, truth = monitor.since(start), monitor.truth_since(start)
    follows = len(commands) > 10 and all(sent.mode is Mode.WALKING and sent.from_plan for sent in commands)
    upright = len(truth) > 10 and not any(sample.fallen for sample in truth)
    return follows and upright and reaches(monitor.speed(WALKING_WINDOW), cmd_vel)


def reaches(speed: np.ndarray, cmd_vel: tuple[float, float, float]) -> bool:
    """Whether ``speed (3,)`` is at least half of ``cmd_vel (3,)`` in its direction."""
    asked = np.asarray(cmd_vel)
    return bool(speed @ asked >= 0.5 * asked @ asked)


class _Recovery:
    def __init__(self, harness: Harness, cmd_vel: tuple[float, float, float]) -> None:
        self._harness, self._monitor = harness, harness.monitor
        self._cmd_vel = cmd_vel
        self._steps: list[str] = []
        self._refusal = ""

    def run(self) -> list[str]:
        harness, monitor = self._harness, self._monitor
        harness.command(self._cmd_vel)
        self._start()
        deadline = time.monotonic() + WALKS
        while not is_walking(harness, self._cmd_vel):
            if time.monotonic() >= deadline:
                state = f"is {_name(monitor.mode())}, moves at {np.round(monitor.speed(WALKING_WINDOW), 2).tolist()}"
                raise NotRecovered(f"after {WALKS:.0f} s it {state}; steps: {self._steps} {self._refusal}")
            self._step()
        return self._steps

    def _start(self) -> None:
        """Start what has died; once more what refuses to run, such as a planner that found the machine too busy."""
        deadline = time.monotonic() + STARTED
        for _ in range(STARTS):
            started = self._harness.processes.start_missing()
            self._steps += [f"restart {name}" for name in started]
            if started:
                self._monitor.forget()
            if self._monitor.wait(lambda: self._ready() or bool(self._dead()), deadline - time.monotonic()):
                if not self._dead():
                    return
        raise NotRecovered(f"within {STARTED:.0f} s {self._missing()}; steps: {self._steps}")

    def _dead(self) -> list[str]:
        return [name for name in self._harness.processes.names if not self._harness.processes.alive(name)]

    def _ready(self) -> bool:
        return self._monitor.mode(FRESH) is not None and self._monitor.plan_age() < FRESH

    def _missing(self) -> str:
        ends = "; ".join(f"{name} has ended: {self._harness.processes.tail(name)}" for name in self._dead())
        commands = "" if self._monitor.mode(FRESH) else "no commands; "
        plans = "" if self._monitor.plan_age() < FRESH else "no plans; "
        return f"there are {commands}{plans}{ends}"

    def _step(self) -> None:
        monitor, mode = self._monitor, self._monitor.mode()
        if mode in (Mode.FAULT, Mode.DAMPING) and self._lies_over():
            self._note("set on its feet")
            self._harness.operator.request("reset", "go2_simulator")
            time.sleep(FRESH)
        if mode in REQUESTS:
            self._request(REQUESTS[mode])
            monitor.wait(lambda: monitor.mode() is not mode, FRESH)
        elif mode is Mode.WALKING:
            if not monitor.wait(lambda: is_walking(self._harness, self._cmd_vel), MODE_TIMEOUT):
                # Whoever has fallen silent holds the robot until it stands.
                self._request("stand_up")
        else:
            monitor.wait(lambda: monitor.mode() is not mode, MODE_TIMEOUT)

    def _request(self, name: str) -> None:
        try:
            self._harness.request(name)
            self._note(name)
        except OperatorError as error:
            self._refusal = str(error)
            time.sleep(FRESH)

    def _note(self, step: str) -> None:
        if not self._steps or self._steps[-1] != step:
            self._steps.append(step)

    def _lies_over(self) -> bool:
        truth = self._monitor.truth_since(time.monotonic() - FRESH)
        return bool(truth) and truth[-1].tilt > LIES_OVER


def _name(mode: Mode | None) -> str:
    return "silent" if mode is None else mode.value
