"""What an injection is: how a fault is brought about while the robot walks, and taken away again.

An injection is a function of the harness that gives a context manager: it begins on entering, which gives the local
monotonic time [s] of the beginning, and ends on leaving.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from std_msgs.msg import Bool

from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.lowstate_faults import LowStateFault
from diffusion_mpc_ros.nodes.graph_client import OperatorError


class InjectionFailed(DiffusionMpcError):
    """The fault could not be brought about."""


Injection = Callable[[Harness], AbstractContextManager[float]]


def injection(function: Callable[..., Iterator[float]]) -> Callable[..., Injection]:
    """Of a generator function of the harness and more, a function of the rest that gives the injection."""
    manager = contextmanager(function)

    def with_arguments(*arguments, **keywords) -> Injection:
        return lambda harness: manager(harness, *arguments, **keywords)

    return with_arguments


@contextmanager
def repeating(say: Callable[[], object], period: float) -> Iterator[None]:
    """Call ``say`` at once and then every ``period`` [s], in a thread of its own, while the context lasts."""
    done = threading.Event()

    def run() -> None:
        say()
        while not done.wait(period):
            say()

    thread = threading.Thread(target=run, name="repeating")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def suffering(harness: Harness, fault: LowStateFault) -> Iterator[float]:
    """LowStates suffer ``fault`` while the context lasts, from the given time [s] on."""
    start = harness.relay.set_fault(fault, seed=harness.seed)
    try:
        yield start
    finally:
        harness.relay.set_fault(LowStateFault())


@contextmanager
def asserting(publish: Callable[[Bool], object]) -> Iterator[float]:
    """A panel says true on ``e_stop`` at the given time [s], and false at the end."""
    start = time.monotonic()
    publish(Bool(data=True))
    try:
        yield start
    finally:
        publish(Bool(data=False))


def must_refuse(harness: Harness, request: str, because: str = "") -> None:
    """Ask for ``request``, which command_publisher has to refuse, naming ``because``."""
    try:
        harness.operator.request(request)
    except OperatorError as error:
        if because not in str(error):
            raise InjectionFailed(f"{request} was refused, but not because of {because!r}: {error}") from None
        return
    raise InjectionFailed(f"{request} was accepted")
