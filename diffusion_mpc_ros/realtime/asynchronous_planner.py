"""Planning in a thread of its own, always from the latest request (arXiv 2510.04234, IV-D)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from diffusion_mpc_ros.core.types import Plan, PlanRequest
from diffusion_mpc_ros.realtime.latency import LatencyStatistics

logger = logging.getLogger(__name__)


Request = TypeVar("Request", bound=PlanRequest)
Request_contra = TypeVar("Request_contra", bound=PlanRequest, contravariant=True)


class Plans(Protocol[Request_contra]):
    """Anything that turns a request into a plan."""

    def plan(self, request: Request_contra) -> Plan:
        """Plan from ``request``; may raise."""
        ...


@dataclass(frozen=True)
class PlannerFailure:
    """``error`` of planning ``request``; ``consecutive`` counts failures since the last plan."""

    error: Exception
    request: PlanRequest
    consecutive: int


class AsynchronousPlanner(Generic[Request]):
    """Runs ``planner.plan`` in a thread; a newer request replaces one that waits; results go to ``on_plan``.

    An exception of the planner or of ``on_plan`` is handed to ``on_failure`` and the thread lives on: the request is
    tried ``retries`` times more unless a newer one waits, then dropped. Both callbacks run in the planner's thread,
    with no lock held.
    """

    def __init__(
        self,
        planner: Plans[Request],
        on_plan: Callable[[Plan], None],
        on_failure: Callable[[PlannerFailure], None],
        latency: LatencyStatistics,
        *,
        retries: int = 1,
    ) -> None:
        self._planner = planner
        self._on_plan = on_plan
        self._on_failure = on_failure
        self._latency = latency
        self._retries = retries
        self._changed = threading.Condition()
        self._pending: Request | None = None
        self._busy = False
        self._delivering = False
        self._closed = False
        self._generation = 0
        self._consecutive = 0
        self._thread = threading.Thread(target=self._run, name="planner", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a request is being planned or waits."""
        with self._changed:
            return self._busy or self._pending is not None

    def request(self, request: Request) -> None:
        """Plan from ``request`` as soon as the running plan is done; never blocks on planning."""
        with self._changed:
            self._pending = request
            self._changed.notify_all()

    def discard(self, timeout: float = 1.0) -> bool:
        """Drop the waiting request and the result of the running one (mode change, clock restart).

        No plan of before reaches ``on_plan`` once this has returned True. A call of it that has begun is waited for, at
        most ``timeout`` [s]: False when it has not returned by then. The planner's own thread does not wait for itself.
        """
        with self._changed:
            self._pending = None
            self._generation += 1
            if threading.current_thread() is self._thread:
                return True
            return self._changed.wait_for(lambda: not self._delivering, timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Stop, drop what is in flight, wait at most ``timeout`` [s]; False when the planner did not return by then."""
        with self._changed:
            self._closed = True
            self._pending = None
            self._generation += 1
            self._changed.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.wait_for(lambda: self._closed or self._pending is not None)
                if self._closed or self._pending is None:
                    return
                request, self._pending, self._busy = self._pending, None, True
                generation = self._generation
            self._plan_with_retries(request, generation)

    def _plan_with_retries(self, request: Request, generation: int) -> None:
        for _ in range(1 + self._retries):
            if self._plan_once(request, generation) or self._superseded(generation):
                return

    def _plan_once(self, request: Request, generation: int) -> bool:
        start = time.monotonic()
        try:
            plan = self._planner.plan(request)
            self._latency.add(time.monotonic() - start)
            self._deliver(plan, generation)
            self._consecutive = 0
            return True
        except Exception as error:  # noqa: BLE001 - whatever the planner raises must not end the thread
            self._consecutive += 1
            self._report(PlannerFailure(error, request, self._consecutive))
            return False

    def _deliver(self, plan: Plan, generation: int) -> None:
        """Hand ``plan`` over unless it is discarded; whoever discards it from here on waits for the end of that."""
        with self._changed:
            if generation != self._generation:
                return
            self._delivering = True
        try:
            self._on_plan(plan)
        finally:
            with self._changed:
                self._delivering = False
                self._changed.notify_all()

    def _superseded(self, generation: int) -> bool:
        with self._changed:
            return generation != self._generation or self._pending is not None

    def _report(self, failure: PlannerFailure) -> None:
        try:
            self._on_failure(failure)
        except Exception:  # a broken reporter must not end the thread either
            logger.exception("reporting %r failed", failure.error)
