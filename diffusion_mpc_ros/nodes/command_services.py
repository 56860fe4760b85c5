"""The services by which people and programs ask command_publisher for something."""

from __future__ import annotations

from collections.abc import Callable

from std_srvs.srv import Trigger

from diffusion_mpc_ros.control.modes import REQUESTS, Event, Mode
from diffusion_mpc_ros.nodes.control_loop import ControlLoop
from diffusion_mpc_ros.nodes.managed_node import ManagedNode

# What an autostart asks for in a mode, until the robot walks.
AUTOSTART_REQUESTS = {Mode.DAMPING: Event.STAND_UP, Mode.STANDING: Event.WALK}


class CommandServices:
    """Serves every one of ``REQUESTS``, and ``e_stop``; ``asserting`` names who asserts an emergency stop now."""

    def __init__(self, node: ManagedNode, loop: ControlLoop, asserting: Callable[[], list[str]]) -> None:
        self._loop, self._asserting = loop, asserting
        node.create_service(Trigger, "~/e_stop", self._on_stop)
        for event in REQUESTS:
            node.create_service(Trigger, f"~/{event.value}", self._handler(event))

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._loop.operator.inputs.stops.stop("service")
        response.success, response.message = True, "emergency stop: latched until clear_fault"
        return response

    def _handler(self, event: Event) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            if event is Event.CLEAR_FAULT:
                return self._clear_fault(response)
            response.success, response.message = self._loop.request(event)
            return response

        return handle

    def _clear_fault(self, response: Trigger.Response) -> Trigger.Response:
        """Let the loop decide, which first reads what has arrived; say in words who still asserts a stop."""
        self._asserting()  # Releases what panels asserted that have left.
        response.success, response.message = self._loop.request(Event.CLEAR_FAULT)
        standing = [] if response.success else self._asserting()
        if standing:
            names = ", ".join(standing)
            response.message = f"clear_fault refused: the emergency stop is still asserted: {names}"
        return response


class Autostart:
    """Asks for what a simulated robot needs to walk, once."""

    def __init__(self, loop: ControlLoop, wanted: bool) -> None:
        self._loop, self._wanted = loop, wanted

    def request_next(self, mode: Mode | None) -> None:
        """Ask for what is still needed in ``mode``, None before the first command."""
        if self._wanted and mode in AUTOSTART_REQUESTS:
            self._loop.operator.inputs.post(AUTOSTART_REQUESTS[mode])
        self._wanted = self._wanted and mode is not Mode.WALKING
