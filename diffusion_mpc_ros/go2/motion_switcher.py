"""The robot's motion switcher: which of its own controllers commands the motors, how to make it let go or take over.

Two programs that command the motors at once throw the robot over. Before arming, a low-level controller must see that
no mode is active; :meth:`MotionSwitcher.active_mode` fails rather than guesses. The simulator answers through
:class:`MotionSwitcherServer`, so that one check serves both.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.go2 import ROBOT_CONTROLLERS
from diffusion_mpc_ros.go2 import sdk
from diffusion_mpc_ros.go2.channels import Channel, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import Go2Domain
from diffusion_mpc_ros.go2.wire import SampleError

CHECK_MODE, SELECT_MODE, RELEASE_MODE = 1001, 1002, 1003
# Of the sport service: lie down, so that releasing does not drop the robot.
STAND_DOWN = 1005
_MOTION_SWITCHER, _SPORT = "motion_switcher", "sport"
_OK, _NOT_IMPLEMENTED, _BAD_PARAMETER, _NO_SUCH_MODE = 0, 3203, 7001, 7004
_ERRORS = {
    _NOT_IMPLEMENTED: "not implemented",
    _BAD_PARAMETER: "bad parameter",
    7002: "busy",
    _NO_SUCH_MODE: "no such mode",
    7005: "internal error",
    7006: "checking failed",
    7007: "switching failed",
    7008: "releasing failed",
}
_STAND_DOWN_TIME = 3.0  # [s]


def _deserialize(idl_type: Any, sample: bytes) -> Any:
    """Return the SDK's own conversion, which raises whatever its parts raise; here :class:`SampleError`."""
    try:
        return idl_type.deserialize(sample)
    except Exception as error:
        raise SampleError(f"no {idl_type.__name__} in {len(sample)} bytes: {error!r}") from error


def _request_channel(service: str) -> Channel[sdk.Request_]:
    return Channel(
        f"rt/api/{service}/request",
        sdk.Request_,
        lambda request: request.serialize(),
        lambda sample, _: _deserialize(sdk.Request_, sample),
    )


def _response_channel(service: str) -> Channel[sdk.Response_]:
    return Channel(
        f"rt/api/{service}/response",
        sdk.Response_,
        lambda response: response.serialize(),
        lambda sample, _: _deserialize(sdk.Response_, sample),
    )


class _Service:
    """Calls one service of the robot; one call at a time."""

    def __init__(self, domain: Go2Domain, name: str, timeout: float) -> None:
        self._name = name
        self._timeout = timeout
        self._responses: queue.SimpleQueue[sdk.Response_] = queue.SimpleQueue()
        self._publisher = Publisher(domain, _request_channel(name))
        self._subscriber = Subscriber(domain, _response_channel(name), self._responses.put)

    def call(self, api_id: int, parameter: str = "{}", attempts: int = 3) -> str:
        """Return the answer's data; raises :class:`InterfaceError` on an error code or when none comes in time.

        ``parameter`` is JSON.
        """
        if not self._publisher.wait_for_subscriber(self._timeout):
            raise InterfaceError(
                f"nobody serves rt/api/{self._name}/request within {self._timeout} s: is the robot (or the simulator) "
                f"on, on this network interface and DDS domain?"
            )
        for _ in range(attempts):
            response = self._ask(api_id, parameter)
            if response is not None:
                code = response.header.status.code
                if code != _OK:
                    meaning = _ERRORS.get(code, "unknown")
                    raise InterfaceError(
                        f"service {self._name!r} refused request {api_id} with error code {code} ({meaning})"
                    )
                return response.data
        raise InterfaceError(
            f"service {self._name!r} did not answer request {api_id} within {attempts} times {self._timeout} s"
        )

    def _ask(self, api_id: int, parameter: str) -> sdk.Response_ | None:
        identity = sdk.RequestIdentity_(time.monotonic_ns(), api_id)
        header = sdk.RequestHeader_(identity, sdk.RequestLease_(0), sdk.RequestPolicy_(0, False))
        self._publisher.publish(sdk.Request_(header, parameter, []))
        deadline = time.monotonic() + self._timeout
        while (remaining := deadline - time.monotonic()) > 0.0:
            try:
                response = self._responses.get(timeout=remaining)
            except queue.Empty:
                return None
            if response.header.identity.id == identity.id:
                return response
        return None

    def close(self) -> None:
        self._subscriber.close()
        self._publisher.close()


def parse_mode(data: str) -> str:
    """Return the mode's name in the robot's JSON ``{"name": ...}``.

    Raises :class:`InterfaceError` unless it is a text.
    """
    try:
        name = json.loads(data)["name"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InterfaceError(f"the motion switcher said {data[:200]!r}, not the name of a mode") from error
    if not isinstance(name, str):
        raise InterfaceError(f"the motion switcher said {data[:200]!r}, whose name is no text")
    return name


def _pause(wait: Callable[[float], object], seconds: float) -> None:
    """Wait; raises :class:`InterfaceError` where whoever waits gives up."""
    if wait(seconds):
        raise InterfaceError("what was asked of the motion switcher was given up before it was done")


class MotionSwitcher:
    """Asks and releases the robot's own controller; ``timeout`` [s] bounds each answer. Close it after use."""

    def __init__(self, domain: Go2Domain, timeout: float = 2.0) -> None:
        self._switcher = _Service(domain, _MOTION_SWITCHER, timeout)
        self._sport = _Service(domain, _SPORT, timeout)

    def active_mode(self) -> str:
        """Name of the controller that commands the motors (normal, ai, advanced, mcf), ``""`` when none does.

        Raises :class:`InterfaceError` when the robot does not say.
        """
        return parse_mode(self._switcher.call(CHECK_MODE))

    def release(self, attempts: int = 5, interval: float = 1.0, wait: Callable[[float], object] = time.sleep) -> str:
        """Make the robot lie down and its controller let go; the name of the mode that was active.

        Newer firmware needs several tries, ``interval`` [s] apart. ``wait(seconds)`` returns whether to give up. Raises
        :class:`InterfaceError` then, and when a mode is still active after ``attempts``, naming it. Takes seconds:
        never from the control path.
        """
        first = self.active_mode()
        if not first:
            return first
        self._sport.call(STAND_DOWN)
        _pause(wait, _STAND_DOWN_TIME)
        for _ in range(attempts):
            refusal = self._request(RELEASE_MODE, "{}")
            _pause(wait, interval)
            mode = self.active_mode()
            if not mode:
                return first
        raise InterfaceError(
            f"the robot's own controller {mode!r} still commands the motors after {attempts} releases{refusal}; lay "
            f"the robot down and end that mode in Unitree's app, or restart the robot, then try again"
        )

    def select(
        self, mode: str, attempts: int = 5, interval: float = 1.0, wait: Callable[[float], object] = time.sleep
    ) -> str:
        """Give the motors to the robot's own controller ``mode``; the name of the one that is active then.

        The robot may stand up at once. The names that it knows differ by model and firmware (core/go2.py), and one
        may be an alias that makes another active. ``wait(seconds)`` returns whether to give up. Raises
        :class:`InterfaceError` then, and when neither ``mode`` nor a new one is active after ``attempts``, ``interval``
        [s] apart. Takes seconds: never from the control path.
        """
        before = active = self.active_mode()
        if active == mode:
            return active
        for _ in range(attempts):
            refusal = self._request(SELECT_MODE, json.dumps({"name": mode}))
            _pause(wait, interval)
            active = self.active_mode()
            if active and active != before:
                return active
        state = f"{active!r} is active" if active else "none is active"
        raise InterfaceError(
            f"the robot's own controller {mode!r} did not take over after {attempts} requests, {state}{refusal}; names "
            f"seen on a Go2: {', '.join(ROBOT_CONTROLLERS)}"
        )

    def _request(self, api_id: int, parameter: str) -> str:
        """Ask the motion switcher once; why it refused, ``""`` if it did not: what counts is the mode afterwards."""
        try:
            self._switcher.call(api_id, parameter)
        except InterfaceError as error:
            return f" ({error})"
        return ""

    def close(self) -> None:
        """Leave the services; may be called twice."""
        self._switcher.close()
        self._sport.close()

    def __enter__(self) -> MotionSwitcher:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class MotionSwitcherServer:
    """The robot's side, for the simulator: by default no mode is active.

    ``mode`` is the active one; it ends with the ``releases_needed``-th release.
    """

    def __init__(self, domain: Go2Domain, mode: str = "", releases_needed: int = 1) -> None:
        self.requests: list[int] = []
        self._releases_needed = releases_needed
        self.activate(mode)
        self._queue: queue.SimpleQueue[tuple[str, sdk.Request_] | None] = queue.SimpleQueue()
        self._publishers = {name: Publisher(domain, _response_channel(name)) for name in (_MOTION_SWITCHER, _SPORT)}
        self._subscribers = [
            Subscriber(domain, _request_channel(name), self._receiver(name)) for name in (_MOTION_SWITCHER, _SPORT)
        ]
        # A thread of its own: DDS forbids writing from within a receive callback.
        self._thread = threading.Thread(target=self._serve, name="motion_switcher_server", daemon=True)
        self._thread.start()

    def _receiver(self, service: str) -> Callable[[sdk.Request_], None]:
        return lambda request: self._queue.put((service, request))

    def activate(self, mode: str) -> None:
        """From now on ``mode`` is active, or none (``""``), as if somebody had switched it in Unitree's app."""
        self._mode = mode
        self._releases_left = self._releases_needed

    def close(self) -> None:
        """Stop answering."""
        for subscriber in self._subscribers:
            subscriber.close()
        self._queue.put(None)
        self._thread.join()
        for publisher in self._publishers.values():
            publisher.close()

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None:
            service, request = item
            code, data = self._answer(service, request.header.identity.api_id, request.parameter)
            header = sdk.ResponseHeader_(request.header.identity, sdk.ResponseStatus_(code))
            self._publishers[service].publish(sdk.Response_(header, data, []))

    def _answer(self, service: str, api_id: int, parameter: str) -> tuple[int, str]:
        self.requests.append(api_id)
        if (service, api_id) == (_MOTION_SWITCHER, CHECK_MODE):
            return _OK, json.dumps({"form": "0", "name": self._mode})
        if (service, api_id) == (_MOTION_SWITCHER, SELECT_MODE):
            return self._select(parameter), ""
        if (service, api_id) == (_MOTION_SWITCHER, RELEASE_MODE):
            self._releases_left -= 1
            if self._releases_left <= 0:
                self._mode = ""
            return _OK, ""
        if (service, api_id) == (_SPORT, STAND_DOWN):
            return _OK, ""
        return _NOT_IMPLEMENTED, ""

    def _select(self, parameter: str) -> int:
        try:
            mode = parse_mode(parameter)
        except InterfaceError:
            return _BAD_PARAMETER
        if mode not in ROBOT_CONTROLLERS:
            return _NO_SUCH_MODE
        self.activate(mode)
        return _OK
