"""An endurance run for as long as asked, everything measured.

Two sources of velocity in turn, a program and a gamepad; pushes; and processes that end, all at random.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import WrenchStamped
from sensor_msgs.msg import Joy

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.processes import memory
from diffusion_mpc_ros.faults.recovery import walk_again
from diffusion_mpc_ros.faults.soak_statistics import SoakStatistics
from diffusion_mpc_ros.nodes.conversions.gamepads import joy_message
from diffusion_mpc_ros.nodes.graph_client import OperatorError
from diffusion_mpc_ros.realtime.measurement import TruthSample

SAMPLE_PERIOD, CHECKPOINT_PERIOD, POLL, GAMEPAD_RATE = 10.0, 60.0, 0.05, 0.05
# A new velocity command, a push, and the end of a process, this often [s], uniformly.
COMMAND_PERIOD, PUSH_PERIOD, ENDING_PERIOD = (2.0, 6.0), (5.0, 15.0), (30.0, 60.0)
# The gamepad takes the robot this often, and drives it for so long [s].
GAMEPAD_PERIOD, GAMEPAD_DRIVES = (15.0, 40.0), (2.0, 6.0)
# What ends, and how; the simulator stands for the robot.
ENDED = ("command_publisher", "planner", "state_estimator", "reward_composer")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL, signal.SIGSEGV)
# How long an orderly end may take [s].
ENDS_WITHIN = 15.0
# One in so many commands is to stand still.
STANDS = 0.15
# A fall becomes a FAULT by itself within this [s], or the operator damps.
FALL_TO_FAULT = 1.0
# This process hears again what is on the wire within this [s].
HEARD_WITHIN = 5.0


@dataclass(frozen=True)
class SoakOptions:
    """``duration`` [s]; velocity commands within ``max_command`` (vx, vy [m/s], yaw rate [rad/s]); pushes of
    ``push_force`` (least, most) [N] in a random horizontal direction for 0.1 s; ``endings``: processes end."""

    duration: float
    seed: int
    max_command: tuple[float, float, float]
    push_force: tuple[float, float]
    endings: bool = True


class Soak:
    """One endurance run of the processes of ``harness``; ``progress`` is told in words how it goes."""

    def __init__(
        self,
        harness: Harness,
        options: SoakOptions,
        checkpoint: Callable[[dict[str, Any]], object],
        progress: Callable[[str], object],
    ) -> None:
        self._harness, self._options = harness, options
        self._checkpoint, self._progress = checkpoint, progress
        self._random = np.random.default_rng(options.seed)
        self._statistics = SoakStatistics()
        self._fallen = False
        self._start = 0.0
        self._wire_looked_at = 0.0

    def run(self) -> dict[str, Any]:
        """Return the report; raises DiffusionMpcError when the robot could not be made to walk at the beginning."""
        harness, statistics = self._harness, self._statistics
        walk_again(harness)
        harness.monitor.on_command, harness.monitor.on_plan = statistics.command, statistics.plan
        harness.monitor.on_truth = self._on_truth
        self._start = self._wire_looked_at = time.monotonic()
        with harness.publisher(WrenchStamped, "external_wrench") as push, Gamepad(harness, self._random) as gamepad:
            due = {
                self._command: 0.0, lambda: self._push(push): self._between(PUSH_PERIOD),
                lambda: self._drive(gamepad): self._between(GAMEPAD_PERIOD),
                self._sample: 0.0, self._save: CHECKPOINT_PERIOD,
            }  # fmt: skip
            if self._options.endings:
                due[self._end] = self._between(ENDING_PERIOD)
            while (now := self._elapsed()) < self._options.duration:
                for action, when in due.items():
                    if now >= when:
                        due[action] = now + action()
                self._recover()
                time.sleep(POLL)
        self._sample()
        report = self.report()
        self._checkpoint(report)
        return report

    def report(self) -> dict[str, Any]:
        """Return what was measured so far."""
        wire = self._harness.relay.report(time.monotonic())
        unsafe = wire["unsafe"]
        audit = {"unsafe_commands": sum(unsafe.values()), "unsafe": unsafe, "unsafe_texts": wire["texts"]}
        return {**self._statistics.report(self._elapsed()), **audit}

    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def _between(self, bounds: tuple[float, float]) -> float:
        return float(self._random.uniform(*bounds))

    def _command(self) -> float:
        bound = np.array(self._options.max_command)
        command = np.zeros(3) if self._random.random() < STANDS else self._random.uniform(-bound, bound)
        self._harness.command(command)
        self._statistics.velocity_commands += 1
        return self._between(COMMAND_PERIOD)

    def _push(self, publish: Callable[[WrenchStamped], object]) -> float:
        force, angle = self._between(self._options.push_force), self._between((0.0, 2.0 * np.pi))
        message = WrenchStamped()
        message.wrench.force.x, message.wrench.force.y = force * float(np.cos(angle)), force * float(np.sin(angle))
        publish(message)
        self._statistics.pushes += 1
        return self._between(PUSH_PERIOD)

    def _drive(self, gamepad: Gamepad) -> float:
        gamepad.drive(self._between(GAMEPAD_DRIVES))
        self._statistics.gamepad_drives += 1
        return self._between(GAMEPAD_PERIOD)

    def _end(self) -> float:
        """End a process at random and wait for its end; :meth:`_recover` starts it again."""
        processes = self._harness.processes
        name, number = str(self._random.choice(ENDED)), signal.Signals(int(self._random.choice(SIGNALS)))
        if processes.alive(name):
            self._progress(f"{number.name} to {name}")
            processes.send(name, number)
            if not processes.wait(name, ENDS_WITHIN):
                self._statistics.event("failed ending", self._elapsed(), f"{name} by {number.name}")
                processes.kill(name)
            self._statistics.ending(name, number.name)
            self._restart()
        return self._between(ENDING_PERIOD)

    def _restart(self) -> None:
        """Do what an operator does after the end of a process that he knows of."""
        try:
            walk_again(self._harness)
        except DiffusionMpcError as error:
            self._statistics.event("failed recovery", self._elapsed(), str(error))
        self._fallen = False

    def _sample(self) -> float:
        harness, now = self._harness, time.monotonic()
        pids = {name: harness.processes.pid(name) for name in harness.processes.names if harness.processes.alive(name)}
        pids |= {"relay": harness.relay.pid, "harness": os.getpid()}
        if harness.processes.alive("command_publisher"):
            pids |= zip(["watchdog"], harness.processes.children("command_publisher"))
        used = {name: memory(pid) for name, pid in pids.items()}
        self._statistics.sample(self._elapsed(), {name: round(mb, 3) for name, mb in used.items() if mb is not None})
        gap = harness.relay.report(self._wire_looked_at)["max_gap"] or 0.0
        self._statistics.max_gap, self._wire_looked_at = max(self._statistics.max_gap, gap), now
        self._tell()
        return SAMPLE_PERIOD

    def _tell(self) -> None:
        seen = self._statistics
        events = ", ".join(f"{count} {kind}" for kind, count in seen.events.items()) or "no fall, no fault"
        self._progress(
            f"{self._elapsed():.0f} of {self._options.duration:.0f} s, {seen.late + seen.skipped} misses of "
            f"{seen.commands}, lateness up to {seen.lateness.maximum * 1e3:.1f} ms, {seen.pushes} pushes, {events}"
        )

    def _save(self) -> float:
        self._checkpoint(self.report())
        return CHECKPOINT_PERIOD

    def _on_truth(self, sample: TruthSample) -> None:
        self._fallen = self._fallen or (sample.fallen and self._harness.monitor.mode() is Mode.WALKING)

    def _recover(self) -> None:
        """Note a fall, a fault, a stop; then do what an operator would do."""
        monitor = self._harness.monitor
        mode = monitor.mode()
        if mode is Mode.WALKING and not self._fallen:
            return
        if mode is None and not self._fallen and self._wire_speaks():
            # Not the robot was silent: this process is the last to get the processor, and has not heard it.
            self._statistics.event("unheard", self._elapsed(), "on the wire, but not read here yet")
            monitor.wait(lambda: monitor.mode() is not None, HEARD_WITHIN)
            return
        if self._fallen:
            self._statistics.event("fall", self._elapsed(), "")
            monitor.wait(lambda: monitor.mode() is Mode.FAULT, FALL_TO_FAULT)
        if monitor.mode() is Mode.FAULT:
            self._statistics.event("fault", self._elapsed(), monitor.fault())
        elif not self._fallen:
            self._statistics.event("stop", self._elapsed(), "no commands" if mode is None else mode.value)
        if monitor.mode() is Mode.WALKING:
            with suppress(OperatorError):  # it has become a FAULT meanwhile
                self._harness.request("damp")
        self._restart()

    def _wire_speaks(self) -> bool:
        """Whether commands have left for the robot at half their rate or more within the last half second."""
        return self._harness.relay.report(time.monotonic() - 0.5)["commands"] >= 0.25 / CONTROL_DT


class Gamepad:
    """A gamepad that takes the robot now and then, drives it at random and lets go, in a thread of its own."""

    def __init__(self, harness: Harness, random: np.random.Generator) -> None:
        self._harness, self._random = harness, random
        self._stick, self._until = GamepadState(), 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gamepad")

    def __enter__(self) -> Gamepad:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def drive(self, duration: float) -> None:
        """Hold the dead-man button and push the sticks for ``duration`` [s]."""
        left_y, left_x, right_x = self._random.uniform(-0.8, 0.8, 3)
        self._stick = GamepadState(frozenset({"L1"}), left_x=left_x, left_y=left_y, right_x=right_x)
        self._until = time.monotonic() + duration

    def _run(self) -> None:
        with self._harness.publisher(Joy, "joy") as publish:
            while not self._done.wait(GAMEPAD_RATE):
                state = self._stick if time.monotonic() < self._until else GamepadState()
                publish(joy_message(state, self._harness.operator.node.get_clock().now().to_msg()))
