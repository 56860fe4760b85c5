"""The simulated robot in real time: 500 Hz with absolute deadlines, whatever carries its state and commands."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from diffusion_mpc_ros.core.types import JointCommand, LowState
from diffusion_mpc_ros.simulation.robot import BaseTruth, Go2Simulation

# The truth serves evaluation, not control: once in this many physics steps, 50 times a second, is enough.
TRUTH_INTERVAL = 10
# Behind by more than this [s], the loop gives up the lost time instead of hurrying after it.
_MAX_LAG = 0.1


class RealtimeLoop:
    """Steps a :class:`Go2Simulation` with the wall clock and publishes its state after every one.

    ``publish_lowstate`` and ``publish_truth`` are called on the loop's thread; ``after_step``, if given, also (a
    viewer). :meth:`command` and :meth:`apply` may be called from any thread.
    """

    def __init__(
        self,
        simulation: Go2Simulation,
        publish_lowstate: Callable[[LowState], None],
        publish_truth: Callable[[BaseTruth], None],
        after_step: Callable[[], None] | None = None,
    ) -> None:
        self.lost_time = 0.0  # [s], real time that the simulation did not keep up with
        self._simulation = simulation
        self._publish_lowstate = publish_lowstate
        self._publish_truth = publish_truth
        self._after_step = after_step
        self._requests: queue.SimpleQueue[Callable[[Go2Simulation], None]] = queue.SimpleQueue()
        self._command: JointCommand | None = None
        self._steps = 0

    def command(self, command: JointCommand) -> None:
        """The newest command; it acts from the next physics step on."""
        self._command = command

    def apply(self, request: Callable[[Go2Simulation], None]) -> None:
        """Run ``request(simulation)`` between two physics steps: a push, another friction, a reset."""
        self._requests.put(request)

    def step(self) -> None:
        """Requests, the newest command, one physics step, publishing."""
        while not self._requests.empty():
            self._requests.get()(self._simulation)
        command, self._command = self._command, None
        if command is not None:
            self._simulation.set_command(command)
        self._simulation.step_physics()
        self._publish_lowstate(self._simulation.lowstate(time.monotonic()))
        self._steps += 1
        if self._steps % TRUTH_INTERVAL == 0:
            self._publish_truth(self._simulation.truth())
        if self._after_step is not None:
            self._after_step()

    def run(self, stop: threading.Event) -> None:
        """Step in real time until ``stop`` is set; what a request or a publisher raises ends the loop."""
        deadline = time.monotonic()
        while not stop.is_set():
            self.step()
            deadline += self._simulation.timestep
            ahead = deadline - time.monotonic()
            if ahead > 0.0:
                time.sleep(ahead)
            elif ahead < -_MAX_LAG:
                self.lost_time -= ahead
                deadline -= ahead
