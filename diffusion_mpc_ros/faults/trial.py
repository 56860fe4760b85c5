"""One fault tried on the walking robot: inject, observe, judge, recover."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.faults.catalogue import Fault
from diffusion_mpc_ros.faults.expectation import Expectation, Reaction, Recovery
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.recovery import FORWARD, is_walking, sit_down, walk_again
from diffusion_mpc_ros.nodes.graph_client import OperatorError

# What is reached has to last so long [s], and is waited for so much longer than the fault itself [s].
LASTS, PATIENCE = 1.0, 2.0
# A base slower than this [m/s] stands still.
STANDS_STILL = 0.12
# An orderly end takes less [s].
LIES_WITHIN = 8.0
# A wire without a command for longer than this [s] is silent.
SILENT = 0.1


@dataclass
class Result:
    """One row of the table; ``problems`` is empty when the fault was survived as expected."""

    fault: str
    expected: str
    outcome: str = ""
    problems: list[str] = field(default_factory=list)
    recovery: str = ""
    reaction_ms: float | None = None
    reaction_commands: int | None = None
    unsafe_commands: int = 0
    unsafe: list[str] = field(default_factory=list)
    duration_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether outcome, recovery and audit hold."""
        return not self.problems and self.unsafe_commands == 0

    def row(self) -> dict[str, Any]:
        """For JSON."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "problems"}
        outcome = "; ".join([self.outcome, *self.problems])
        return {**values, "fault": self.fault, "passed": self.passed, "outcome": outcome}


def run(harness: Harness, fault: Fault) -> Result:
    """Try ``fault``; nothing is raised for what the robot does, only for what the harness itself cannot do."""
    result = Result(fault.name, fault.expected.text)
    begun = time.monotonic()
    unsafe = sum(harness.relay.report(begun)["unsafe"].values())
    try:
        harness.apply(fault.setup)
        walk_again(harness, fault.cmd_vel)
        with fault.injection(harness) as start:
            _Observation(harness, fault, start, result).judge()
        _recover(harness, fault.expected.recovery, result)
    except DiffusionMpcError as error:
        result.problems.append(str(error))
    report = harness.relay.report(begun)
    result.unsafe_commands = sum(report["unsafe"].values()) - unsafe
    result.unsafe = report["texts"][-result.unsafe_commands :] if result.unsafe_commands else []
    result.duration_s = time.monotonic() - begun
    return result


def _recover(harness: Harness, recovery: Recovery, result: Result) -> None:
    if recovery is Recovery.WALK and is_walking(harness, FORWARD) and not result.problems:
        result.recovery = "not needed"
        return
    steps = sit_down(harness) if recovery is Recovery.SIT_DOWN else walk_again(harness)
    result.recovery = f"{', '.join(steps)}: {recovery.value}"


class _Observation:
    """What is seen from the fault's start until its outcome has lasted."""

    def __init__(self, harness: Harness, fault: Fault, start: float, result: Result) -> None:
        self._harness, self._monitor, self._start = harness, harness.monitor, start
        self._fault, self._expected, self._result = fault, fault.expected, result

    def judge(self) -> None:
        """Wait, then compare with what was expected."""
        self._wait()
        expected, result = self._expected, self._result
        self._measure_reaction()
        result.outcome = ", ".join(filter(None, [self._outcome(), self._harness.setup]))
        problems = result.problems
        if expected.ends_in:
            problems += self._mode_problems(expected)
        elif not expected.lies:
            problems += self._wire_problems()
        if expected.upright and any(sample.fallen for sample in self._monitor.truth_since(self._start)):
            problems.append("it fell")
        if expected.moves is not None and not self._moves_as(expected.moves):
            problems.append(f"it moves at {np.round(self._monitor.speed(), 2).tolist()}")
        if expected.max_moving is not None and (result.reaction_commands or 0) > expected.max_moving:
            problems.append(f"{result.reaction_commands} commands before damping, {expected.max_moving} are allowed")
        if expected.reaction is not Reaction.NONE and result.reaction_ms is None:
            problems.append(f"no reaction ({expected.reaction.value})")
        problems += self._landing_problems(expected)
        if self._fault.held and self._cleared():
            problems.append("the fault let itself be cleared while its cause lasted")

    def _wait(self) -> None:
        """At least as long as the fault acts; where another mode is expected, until it has come and lasted."""
        time.sleep(max(self._start + self._fault.duration - time.monotonic(), 0.0))
        if Mode.WALKING not in self._expected.ends_in:
            self._monitor.wait(lambda: self._monitor.mode() in (*self._expected.ends_in, None), PATIENCE)
            time.sleep(LASTS)

    def _outcome(self) -> str:
        mode = self._monitor.mode()
        if mode is None:
            damped = self._harness.relay.report(self._start)["damping_now"]
            return f"command_publisher is silent, the wire is {'damped' if damped else 'NOT damped'}"
        if mode is Mode.FAULT:
            return f"FAULT: {self._monitor.fault()}"
        follows = [sent.from_plan for sent in self._monitor.since(self._start)]
        speed = self._monitor.speed()[0]
        if mode is Mode.WALKING:
            return f"walks at {speed:.2f} m/s, {100.0 * np.mean(follows):.0f} % of the commands from a plan"
        return mode.value.replace("_", " ")

    def _mode_problems(self, expected: Expectation) -> list[str]:
        commands = self._monitor.since(self._start)
        mode = self._monitor.mode()
        if mode not in expected.ends_in:
            return ["not what was expected"]
        if expected.cause and expected.cause not in self._monitor.fault():
            return [f"the fault does not name {expected.cause!r}"]
        if Mode.FAULT in expected.ends_in and Mode.WALKING not in expected.ends_in:
            first = next((index for index, sent in enumerate(commands) if sent.mode is Mode.FAULT), 0)
            if any(sent.mode is not Mode.FAULT for sent in commands[first:]):
                return ["the fault did not stay"]
        if expected.ends_in == (Mode.WALKING,) and any(sent.mode is not Mode.WALKING for sent in commands):
            return ["it did not walk all the time"]
        return []

    def _cleared(self) -> bool:
        try:
            self._harness.request("clear_fault")
        except OperatorError:
            return False
        return True

    def _wire_problems(self) -> list[str]:
        report = self._harness.relay.report(self._start)
        age = time.monotonic() - (report["last_command"] or 0.0)
        if not report["damping_now"] or age > SILENT:
            return [f"damping was to go on, but the last command came {age:.2f} s ago"]
        return []

    def _landing_problems(self, expected: Expectation) -> list[str]:
        """How the robot came to lie, where that is asked for."""
        problems = []
        if expected.lies:
            lies = lambda: self._monitor.lies() and self._harness.relay.report(self._start)["damping_now"]  # noqa: E731
            if not self._monitor.wait(lies, LIES_WITHIN):
                problems.append("it does not lie damped")
        impact = self._monitor.impact(self._start)
        if expected.max_impact is not None:
            self._result.outcome += f", its body comes down at {impact:.2f} m/s"
            if impact > expected.max_impact:
                problems.append(f"an impact of {impact:.2f} m/s, {expected.max_impact} are allowed")
        return problems

    def _moves_as(self, moves: bool) -> bool:
        if moves:
            return self._monitor.wait(lambda: is_walking(self._harness, self._fault.cmd_vel), PATIENCE)
        still = lambda: bool(np.hypot(*self._monitor.speed(LASTS)[:2]) < STANDS_STILL)  # noqa: E731
        return self._monitor.wait(still, PATIENCE)

    def _measure_reaction(self) -> None:
        reaction, first = self._expected.reaction, None
        if reaction is Reaction.DAMPING:
            report = self._harness.relay.report(self._start)
            first = report["first_damping"]
            self._result.reaction_commands = report["moving"] if first is not None else None
        elif reaction is Reaction.NO_PLAN:
            commands = self._monitor.since(self._start)
            first = next((sent.time for sent in commands if not sent.from_plan), None)
        elif reaction is Reaction.HALT:
            truth = self._monitor.truth_since(self._start)
            slow = (s.time for s in truth if np.hypot(*s.lin_vel_b[:2]) < STANDS_STILL)
            first = next(slow, None)
        if first is not None:
            self._result.reaction_ms = round(1e3 * (first - self._start), 1)
