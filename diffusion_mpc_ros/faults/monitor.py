"""What the harness sees of a running robot: the commands and why they were sent, and where the base really is.

Bounded: the last minute is kept, however long it runs.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from diffusion_mpc_msgs.msg import JointCommand
from diffusion_mpc_msgs.msg import Plan as PlanMessage

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.message_fields import read_plan
from diffusion_mpc_ros.core.types import Plan
from diffusion_mpc_ros.go2.channels import SPORTMODESTATE, Subscriber
from diffusion_mpc_ros.go2.domain import Go2Domain
from diffusion_mpc_ros.go2.messages import SportModeState
from diffusion_mpc_ros.nodes.conversions.fields import stamp_ns
from diffusion_mpc_ros.nodes.conversions.joint_commands import MODES, read_joint_command
from diffusion_mpc_ros.nodes.operator import Operator
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM
from diffusion_mpc_ros.nodes.recording_operator import truth_sample
from diffusion_mpc_ros.realtime.measurement import TruthSample

KEPT = 3000  # a minute of samples at 50 Hz
# A base below this height [m] rests on the ground, or is about to; slower than this [m/s] it is at rest.
LYING_HEIGHT, AT_REST = 0.14, 0.1


@dataclass(frozen=True)
class Sent:
    """One JointCommand: local monotonic ``time`` [s] at which it was sent, and why."""

    time: float
    tick: int
    mode: Mode
    fault: str
    from_plan: bool
    lateness: float  # [s]


class Monitor:
    """Keeps the last minute; ``on_command``, ``on_plan`` and ``on_truth`` see every sample as it comes."""

    def __init__(self, operator: Operator, robot: Go2Domain) -> None:
        self.commands: deque[Sent] = deque(maxlen=KEPT)
        self.truth: deque[TruthSample] = deque(maxlen=KEPT)
        self.plans: deque[tuple[float, float]] = deque(maxlen=KEPT)  # (received, plan time) [s]
        self.on_command: Callable[[Sent], object] = lambda _: None
        self.on_plan: Callable[[float], object] = lambda _: None
        self.on_truth: Callable[[TruthSample], object] = lambda _: None
        self._changed = threading.Condition()
        operator.intake.subscribe(JointCommand, "joint_command", read_joint_command, self._on_command, STREAM)
        operator.intake.subscribe(PlanMessage, "plan", read_plan, self._on_plan, RELIABLE)
        self._truths = Subscriber(robot, SPORTMODESTATE, self._on_truth)

    def close(self) -> None:
        """Leave the robot's topic."""
        self._truths.close()

    def forget(self) -> None:
        """Drop what was kept: the processes that said it have ended."""
        for kept in (self.commands, self.truth, self.plans):
            kept.clear()

    def mode(self, max_age: float = 0.5) -> Mode | None:
        """Return the mode of the newest command; None when there was none within ``max_age`` [s]."""
        newest = self.commands[-1] if self.commands else None
        return newest.mode if newest is not None and time.monotonic() - newest.time <= max_age else None

    def fault(self) -> str:
        """Return the fault that the newest command carries, "" without."""
        return self.commands[-1].fault if self.commands else ""

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait at most ``timeout`` [s] until ``condition`` holds; looked at whenever a message comes."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not condition():
                # Messages may have ended, and a condition may depend on time.
                if not self._changed.wait(min(deadline - time.monotonic(), 0.1)) and time.monotonic() >= deadline:
                    return condition()
        return True

    def since(self, start: float) -> list[Sent]:
        """Return the commands sent after local monotonic ``start`` [s]."""
        with self._changed:
            return [sent for sent in self.commands if sent.time >= start]

    def truth_since(self, start: float) -> list[TruthSample]:
        """Return the true states of the base after ``start`` [s]."""
        with self._changed:
            return [sample for sample in self.truth if sample.time >= start]

    def plan_age(self) -> float:
        """Time [s] since the last plan came."""
        return time.monotonic() - self.plans[-1][0] if self.plans else float("inf")

    def speed(self, window: float = 1.0) -> np.ndarray:
        """Mean true velocity of the base ``(3,)``: vx, vy [m/s] in its frame, yaw rate [rad/s], over ``window`` [s]."""
        samples = self.truth_since(time.monotonic() - window)
        if not samples:
            return np.zeros(3)
        return np.mean([[*sample.lin_vel_b[:2], sample.yaw_rate] for sample in samples], axis=0)

    def lies(self) -> bool:
        """Whether the base has been low and at rest for half a second."""
        samples = self.truth_since(time.monotonic() - 0.5)
        low = all(sample.height < LYING_HEIGHT for sample in samples)
        return len(samples) > 10 and low and max(np.abs(sample.lin_vel_b).max() for sample in samples) < AT_REST

    def impact(self, start: float) -> float:
        """How fast the base came down to the ground after ``start`` [s] at most [m/s], 0 for a base that did not.

        By its own velocity: on a busy machine samples arrive in heaps, and heights over their times are no speeds.
        """
        low = (sample for sample in self.truth_since(start) if sample.height < LYING_HEIGHT)
        return max((-sample.climb for sample in low), default=0.0)

    def _on_command(self, message: JointCommand) -> None:
        # The stamp is of the system's clock, everything here is of the monotonic one.
        age = time.time() - stamp_ns(message.header.stamp) * 1e-9
        sent = Sent(
            time.monotonic() - age, message.tick, MODES[message.mode], message.fault, message.plan_row >= 0,
            message.lateness,
        )  # fmt: skip
        self._keep(self.commands, sent)
        self.on_command(sent)

    def _on_plan(self, plan: Plan) -> None:
        self._keep(self.plans, (time.monotonic(), plan.plan_time))
        self.on_plan(plan.plan_time)

    def _on_truth(self, state: SportModeState) -> None:
        sample = truth_sample(state)
        self._keep(self.truth, sample)
        self.on_truth(sample)

    def _keep(self, samples: deque, sample: object) -> None:
        with self._changed:
            samples.append(sample)
            self._changed.notify_all()
