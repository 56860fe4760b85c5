"""What the operator wants, from any thread, handed to the control loop tick by tick: requests and emergency stops."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

from diffusion_mpc_ros.control.emergency_stop import EmergencyStops
from diffusion_mpc_ros.control.gamepad import GamepadRequests
from diffusion_mpc_ros.control.modes import Event
from diffusion_mpc_ros.core.gamepad import GamepadState

# A request that nobody waits for any more is dropped; so many may wait, one is taken a tick.
MAX_WAITING = 8
# How long the answer to a request that was taken may take [s]: a tick, and what holds the loop up.
ANSWER_TIMEOUT = 1.0


@dataclass
class Request:
    """One request and its answer; it is either taken or withdrawn, never both."""

    event: Event
    done: threading.Event = field(default_factory=threading.Event)
    accepted: bool = False
    message: str = ""
    _decided: threading.Lock = field(default_factory=threading.Lock)

    def decide(self) -> bool:
        """Take or withdraw it; False when the other has happened before."""
        return self._decided.acquire(blocking=False)

    def answer(self, accepted: bool, message: str) -> None:
        """Tell whoever waits."""
        self.accepted, self.message = accepted, message
        self.done.set()


class OperatorInputs:
    """Requests in order of arrival, and the emergency stops."""

    def __init__(self) -> None:
        self.stops = EmergencyStops()
        self._requests: queue.Queue[Request] = queue.Queue(MAX_WAITING)
        self._gamepads: dict[str, GamepadRequests] = {}

    def request(self, event: Event, timeout: float) -> tuple[bool, str]:
        """Hand ``event`` to the next tick and wait at most ``timeout`` [s]; whether accepted, and the reason.

        A request that was not taken in time is withdrawn: it will not be carried out later.
        """
        request = self.post(event)
        if request is None:
            return False, f"{event.value}: {MAX_WAITING} requests wait already; is the control loop running?"
        if not request.done.wait(timeout) and request.decide():
            return False, f"{event.value}: the control loop did not take the request within {timeout} s"
        if not request.done.wait(ANSWER_TIMEOUT):
            return False, f"{event.value}: the control loop took the request and did not answer"
        return request.accepted, request.message

    def post(self, event: Event) -> Request | None:
        """Hand ``event`` to the next tick without waiting; None when too many wait."""
        request = Request(event)
        try:
            self._requests.put_nowait(request)
        except queue.Full:
            return None
        return request

    def gamepad(self, source: str, state: GamepadState, until: float) -> None:
        """Take a gamepad's newest buttons: those just pressed are requests.

        An emergency stop that they assert stands until ``until`` [s] or their next state.
        """
        event, e_stop = self._gamepads.setdefault(source, GamepadRequests()).update(state)
        if e_stop:
            self.stops.stop(source, until)
        else:
            self.stops.release(source)
        if event is not None:
            self.post(event)

    def take(self) -> Request | None:
        """Return the oldest request that still has somebody waiting, or None."""
        while True:
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return None
            if request.decide():
                return request
