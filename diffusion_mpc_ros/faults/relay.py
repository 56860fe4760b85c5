"""The wire between the simulated robot and its controller, as a process that can be told to spoil it.

It joins the simulator's DDS domain and the controller's, passes the robot's topics through as they are, LowStates as
:mod:`.lowstate_faults` says, and has every LowCmd audited. Its parent (:mod:`.relay_process`) writes one JSON object a
line to its standard input (``{"do": "report", "since": 12.5}``) and reads one answer a line. End of file ends it.
"""

from __future__ import annotations

import heapq
import itertools
import json
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from diffusion_mpc_ros.faults.audit import LowCmdAudit, Thresholds
from diffusion_mpc_ros.faults.lowstate_faults import LowStateChannel, LowStateFault, shifted, tick_of
from diffusion_mpc_ros.go2 import sdk
from diffusion_mpc_ros.go2.channels import Channel, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import Go2Domain, open_domain
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime

# Above every node: what it adds must not depend on their load.
PRIORITY = 80
SWITCH_INTERVAL = 0.2e-3
# A silent stop is looked for this often [s].
POLL = 0.02
_SERVICES = ("motion_switcher", "sport")

LOWSTATE, LOWCMD = "rt/lowstate", "rt/lowcmd"
TO_CONTROLLER = {
    LOWSTATE: sdk.LowState_,
    "rt/sportmodestate": sdk.SportModeState_,
    **{f"rt/api/{name}/response": sdk.Response_ for name in _SERVICES},
}
TO_ROBOT = {LOWCMD: sdk.LowCmd_, **{f"rt/api/{name}/request": sdk.Request_ for name in _SERVICES}}


def raw(topic: str, idl_type: type) -> Channel[bytes]:
    """Return a topic whose samples stay bytes."""
    return Channel(topic, idl_type, lambda sample: sample, lambda sample, _: sample)


class Relay:
    """Passes samples on in one thread: DDS forbids publishing from its receive callbacks."""

    def __init__(self, robot: Go2Domain, controller: Go2Domain) -> None:
        self._audit = LowCmdAudit(Thresholds.of_project())
        self._lock = threading.Lock()  # of the audit
        self._channel = LowStateChannel(LowStateFault(), time.monotonic())
        self._clock_shift = 0
        self._incoming: queue.SimpleQueue[tuple[str, float, bytes] | None] = queue.SimpleQueue()
        self._due: list[tuple[float, int, bytes, int]] = []  # LowStates, a heap
        self._numbers = itertools.count()
        self._publishers: dict[str, Publisher[bytes]] = {}
        self._subscribers: list[Subscriber[bytes]] = []
        for topics, source, target in ((TO_CONTROLLER, robot, controller), (TO_ROBOT, controller, robot)):
            for topic, idl_type in topics.items():
                self._publishers[topic] = Publisher(target, raw(topic, idl_type))
                self._subscribers.append(Subscriber(source, raw(topic, idl_type), self._receiver(topic)))
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Pass nothing on any more."""
        for subscriber in self._subscribers:
            subscriber.close()
        self._incoming.put(None)
        self._thread.join()
        for publisher in self._publishers.values():
            publisher.close()

    def execute(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what the parent asks; raises KeyError for an unknown request. ``time`` [s] is when it took effect."""
        arguments = dict(request)
        action = {
            "fault": self._set_fault,
            "shift_clock": self._shift_clock,
            "permit": self._permit,
            "hold": self._hold,
            "expect_silence": self._expect_silence,
            "report": self._report,
        }[arguments.pop("do")]
        return {**(action(**arguments) or {}), "time": time.monotonic()}

    def _set_fault(self, seed: int = 0, **fault: Any) -> None:
        self._channel = LowStateChannel(LowStateFault(**fault), time.monotonic(), seed)

    def _shift_clock(self, milliseconds: int) -> None:
        self._clock_shift += milliseconds

    def _permit(self) -> None:
        with self._lock:
            self._audit.permit(time.monotonic())

    def _hold(self, held: bool) -> None:
        with self._lock:
            self._audit.hold(held, time.monotonic())

    def _expect_silence(self) -> None:
        with self._lock:
            self._audit.expect_silence()

    def _report(self, since: float) -> dict[str, Any]:
        with self._lock:
            return self._audit.report(since)

    def _receiver(self, topic: str) -> Callable[[bytes], None]:
        return lambda sample: self._incoming.put((topic, time.monotonic(), sample))

    def _run(self) -> None:
        while True:
            wait = min(max(self._due[0][0] - time.monotonic(), 0.0), POLL) if self._due else POLL
            try:
                item = self._incoming.get(timeout=wait) if wait > 0.0 else self._incoming.get_nowait()
                if item is None:
                    return
                self._take(*item)
                now = item[1]  # a command that came since may wait behind it
            except queue.Empty:
                now = time.monotonic()
            # Whatever came: commands may have stopped while LowStates go on.
            with self._lock:
                self._audit.silence(now)
            self._send_due()

    def _take(self, topic: str, received: float, sample: bytes) -> None:
        if topic == LOWSTATE:
            tick_ms = tick_of(sample)
            with self._lock:
                self._audit.robot_time(tick_ms, received)
            shifted_sample = shifted(sample, self._clock_shift)
            for due, passed in self._channel.pass_on(shifted_sample, received):
                measured_ms = self._channel.measured_ms(tick_ms)
                heapq.heappush(self._due, (due, next(self._numbers), passed, measured_ms))
            return
        self._publishers[topic].publish(sample)
        if topic == LOWCMD:
            with self._lock:
                self._audit.command(sample, received)

    def _send_due(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, sample, measured_ms = heapq.heappop(self._due)
            with self._lock:
                self._audit.lowstate(sample, time.monotonic(), measured_ms)
            self._publishers[LOWSTATE].publish(sample)


def main(arguments: list[str]) -> int:
    """``NETWORK_INTERFACE ROBOT_DOMAIN CONTROLLER_DOMAIN``: relay until the end of standard input."""
    interface, robot, controller = arguments[0], int(arguments[1]), int(arguments[2])
    sys.setswitchinterval(SWITCH_INTERVAL)
    # The DDS library's threads inherit it.
    realtime = schedule_realtime(PRIORITY)
    with ExitStack() as stack:
        domains = [stack.enter_context(open_domain(interface, domain)) for domain in (robot, controller)]
        relay = Relay(*domains)
        stack.callback(relay.close)
        print(json.dumps({"ready": True, "realtime": realtime}), flush=True)
        for line in sys.stdin:
            print(json.dumps(relay.execute(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
