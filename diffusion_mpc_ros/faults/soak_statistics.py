"""What an endurance run measures, in memory that does not grow with the number of commands."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.faults.monitor import Sent
from diffusion_mpc_ros.realtime.measurement import LATE

# Bins of the times that are counted [s]: 0.1 ms up to half a second, longer ones in the last bin.
BIN, BINS = 1e-4, 5000
# A tick further on than this began with a new clock of the robot.
RESTARTED = 100
# Memory is fitted from here on [s], in a shorter run from its first third on: caches and pools are filled by then.
WARM_UP = 300.0
MAX_EVENTS = 200


class Histogram:
    """Times [s] counted in bins of 0.1 ms."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, dtype=np.int64)
        self.maximum = 0.0

    def add(self, value: float) -> None:
        """Count one time [s]; negative ones count as zero."""
        self.counts[min(max(int(value / BIN), 0), BINS - 1)] += 1
        self.maximum = max(self.maximum, value)

    def percentile(self, share: float) -> float:
        """Return the upper end [s] of the bin that holds the ``share`` (0 .. 1) of the times; 0 without any."""
        total = int(self.counts.sum())
        if total == 0:
            return 0.0
        index = int(np.searchsorted(np.cumsum(self.counts), share * total))
        return (index + 1) * BIN

    def summary(self) -> dict[str, float]:
        """Percentiles and maximum [ms]."""
        values = {"p50": self.percentile(0.5), "p99": self.percentile(0.99), "max": self.maximum}
        return {name: round(1e3 * value, 2) for name, value in values.items()}


@dataclass(frozen=True)
class SoakSample:
    """Every ten seconds: ``time`` [s] of the run, memory by process [MB], the greatest lateness since [ms]."""

    time: float
    memory: dict[str, float]
    lateness_ms: float


@dataclass
class SoakStatistics:
    """Filled by the receiving threads and by the run itself."""

    lateness: Histogram = field(default_factory=Histogram)
    plan_time: Histogram = field(default_factory=Histogram)
    commands: int = 0
    late: int = 0
    skipped: int = 0
    walking: int = 0
    from_plan: int = 0
    pushes: int = 0
    velocity_commands: int = 0
    gamepad_drives: int = 0
    endings: Counter[str] = field(default_factory=Counter)  # "planner SIGKILL"
    max_gap: float = 0.0  # [s], between commands on the wire
    events: Counter[str] = field(default_factory=Counter)
    texts: list[str] = field(default_factory=list)
    samples: list[SoakSample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tick: int | None = None
        self._worst = 0.0  # [s], lateness since the last sample
        self._lock = threading.Lock()

    def command(self, sent: Sent) -> None:
        """Count one command."""
        with self._lock:
            step = 1 if self._tick is None else sent.tick - self._tick
            self._tick = sent.tick
            self.commands += 1
            self.skipped += step - 1 if 1 <= step < RESTARTED else 0
            self.late += sent.lateness > LATE
            self.lateness.add(sent.lateness)
            self._worst = max(self._worst, sent.lateness)
            if sent.mode is Mode.WALKING:
                self.walking += 1
                self.from_plan += sent.from_plan

    def plan(self, plan_time: float) -> None:
        """Count one plan that took ``plan_time`` [s]."""
        with self._lock:
            self.plan_time.add(plan_time)

    def event(self, kind: str, time: float, text: str) -> None:
        """Note a fall, a fault, a stop or a failed recovery at ``time`` [s] of the run."""
        self.events[kind] += 1
        if len(self.texts) < MAX_EVENTS:
            self.texts.append(f"{time:.0f} s {kind}: {text}")

    def ending(self, process: str, signal: str) -> None:
        """Count a process that was ended; ticks until commands come again are nobody's misses."""
        with self._lock:
            self.endings[f"{process} {signal}"] += 1
            self._tick = None

    def sample(self, time: float, memory: dict[str, float]) -> None:
        """Note the memory [MB] of each process at ``time`` [s] of the run."""
        with self._lock:
            worst, self._worst = self._worst, 0.0
        self.samples.append(SoakSample(round(time, 1), memory, round(1e3 * worst, 2)))

    def growth(self, duration: float) -> dict[str, float]:
        """Fitted growth of each process's memory [MB per 10 min] after the warm-up of a run of ``duration`` [s]."""
        warm_up = min(WARM_UP, duration / 3.0)
        samples = [sample for sample in self.samples if sample.time >= warm_up]
        names = {name for sample in samples for name in sample.memory}
        rates = {}
        for name in sorted(names):
            points = [(sample.time, sample.memory[name]) for sample in samples if name in sample.memory]
            if len(points) >= 3:
                times, values = np.array(points).T
                rates[name] = round(600.0 * float(np.polyfit(times, values, 1)[0]), 3)
        return rates

    def report(self, duration: float) -> dict[str, Any]:
        """Return the figures after ``duration`` [s]."""
        with self._lock:
            return {
                "duration_s": round(duration, 1),
                "commands": self.commands,
                "late": self.late,
                "skipped_ticks": self.skipped,
                "misses": self.late + self.skipped,
                "lateness_ms": self.lateness.summary(),
                "max_gap_ms": round(1e3 * self.max_gap, 1),
                "plans": int(self.plan_time.counts.sum()),
                "plan_ms": self.plan_time.summary(),
                "walking_share": round(self.walking / max(self.commands, 1), 4),
                "plan_followed": round(self.from_plan / max(self.walking, 1), 4),
                "velocity_commands": self.velocity_commands,
                "gamepad_drives": self.gamepad_drives,
                "pushes": self.pushes,
                "endings": dict(sorted(self.endings.items())),
                "events": dict(self.events),
                "event_texts": list(self.texts),
                "memory_growth_mb_per_10_min": self.growth(duration),
                "samples": [vars(sample) for sample in self.samples],
            }
