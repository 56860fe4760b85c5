"""What the operator wants, from any thread, handed to the control loop tick by tick: requests and emergency stops."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from diffusion_mpc_ros.control.gamepad import GamepadRequests
from diffusion_mpc_ros.control.modes import Event
from diffusion_mpc_ros.core.gamepad import GamepadState

# A gamepad's emergency stop counts as asserted this long [s] after its last message that says so.
GAMEPAD_HOLD = 0.5
# A request that nobody waits for any more is dropped; so many may wait, one is taken a tick.
MAX_WAITING = 8


@dataclass
class Request:
    """One request and its answer."""

    event: Event
    done: threading.Event = field(default_factory=threading.Event)
    withdrawn: bool = False
    accepted: bool = False
    message: str = ""

    def answer(self, accepted: bool, message: str) -> None:
        """Tell whoever waits."""
        self.accepted, self.message = accepted, message
        self.done.set()


class OperatorInputs:
    """Requests in order of arrival, emergency stops by source; ``monotonic`` stands in for the clock in tests."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._requests: queue.Queue[Request] = queue.Queue(MAX_WAITING)
        self._stops: dict[str, float] = {}  # source -> monotonic time [s] until which it asserts
        self._gamepads: dict[str, GamepadRequests] = {}

    def request(self, event: Event, timeout: float) -> tuple[bool, str]:
        """Hand ``event`` to the next tick and wait at most ``timeout`` [s]; whether accepted, and the reason.

        A request that was not taken in time is withdrawn: it will not be carried out later.
        """
        request = self.post(event)
        if request is None:
            return False, f"{event.value}: {MAX_WAITING} requests wait already; is the control loop running?"
        if not request.done.wait(timeout):
            request.withdrawn = True
            return False, f"{event.value}: the control loop did not take the request within {timeout} s"
        return request.accepted, request.message

    def post(self, event: Event) -> Request | None:
        """Hand ``event`` to the next tick without waiting; None when too many wait."""
        request = Request(event)
        try:
            self._requests.put_nowait(request)
        except queue.Full:
            return None
        return request

    def stop(self, source: str, duration: float) -> None:
        """``source`` asserts the emergency stop for ``duration`` [s] from now; ``math.inf``: until released."""
        self._stops[source] = self._monotonic() + duration

    def release(self, source: str) -> None:
        """``source`` asserts the emergency stop no more; the fault stays until cleared."""
        self._stops.pop(source, None)

    def gamepad(self, source: str, state: GamepadState | None) -> None:
        """Take a gamepad's newest state: buttons just pressed are requests; None is no news."""
        if state is None:
            return
        event, e_stop = self._gamepads.setdefault(source, GamepadRequests()).update(state)
        if e_stop:
            self.stop(source, GAMEPAD_HOLD)
        if event is not None:
            self.post(event)

    def take(self) -> Request | None:
        """The oldest request that still has somebody waiting, or None."""
        while True:
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return None
            if not request.withdrawn:
                return request

    def asserted_stop(self) -> str:
        """The sources that assert an emergency stop now, joined by commas; "" for none."""
        now = self._monotonic()
        return ", ".join(sorted(source for source, until in self._stops.copy().items() if now <= until))
