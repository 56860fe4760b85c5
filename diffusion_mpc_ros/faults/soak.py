"""An endurance run: random velocity commands and random pushes for as long as asked, everything measured."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import WrenchStamped

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.diffusion.artefact import write_text_atomically
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.processes import memory
from diffusion_mpc_ros.faults.recovery import walk_again
from diffusion_mpc_ros.faults.soak_statistics import SoakStatistics
from diffusion_mpc_ros.realtime.measurement import TruthSample

SAMPLE_PERIOD, CHECKPOINT_PERIOD, POLL = 10.0, 60.0, 0.05
# A new velocity command, and a push, this often [s], uniformly.
COMMAND_PERIOD, PUSH_PERIOD = (2.0, 6.0), (5.0, 15.0)
# One in so many commands is to stand still.
STANDS = 0.15
# A fall becomes a FAULT by itself within this [s], or the operator damps.
FALL_TO_FAULT = 1.0


@dataclass(frozen=True)
class SoakOptions:
    """``duration`` [s]; velocity commands within ``max_command`` (vx, vy [m/s], yaw rate [rad/s]); pushes of
    ``push_force`` (least, most) [N] in a random horizontal direction for 0.1 s."""

    duration: float
    seed: int
    max_command: tuple[float, float, float]
    push_force: tuple[float, float]


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
        """The report; raises DiffusionMpcError when the robot could not be made to walk at the beginning."""
        harness, statistics = self._harness, self._statistics
        walk_again(harness)
        harness.monitor.on_command, harness.monitor.on_plan = statistics.command, statistics.plan
        harness.monitor.on_truth = self._on_truth
        self._start = self._wire_looked_at = time.monotonic()
        with harness.publisher(WrenchStamped, "external_wrench") as push:
            due = {
                self._command: 0.0, lambda: self._push(push): self._between(PUSH_PERIOD),
                self._sample: 0.0, self._save: CHECKPOINT_PERIOD,
            }  # fmt: skip
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
        """What was measured so far."""
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
        if self._fallen:
            self._statistics.event("fall", self._elapsed(), "")
            monitor.wait(lambda: monitor.mode() is Mode.FAULT, FALL_TO_FAULT)
        if monitor.mode() is Mode.FAULT:
            self._statistics.event("fault", self._elapsed(), monitor.fault())
        elif not self._fallen:
            self._statistics.event("stop", self._elapsed(), "no commands" if mode is None else mode.value)
        try:
            if monitor.mode() is Mode.WALKING:
                self._harness.request("damp")
            walk_again(self._harness)
        except DiffusionMpcError as error:
            self._statistics.event("failed recovery", self._elapsed(), str(error))
        self._fallen = False


def write(path: Path, report: dict[str, Any]) -> None:
    """Write ``report`` so that the file is whole at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(report, indent=1, allow_nan=False) + "\n")
