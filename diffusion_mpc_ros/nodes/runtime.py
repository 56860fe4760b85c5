"""How every node process starts, spins and ends: one single-threaded executor, no traceback for a foreseen error.

Exit status: 0 after SIGINT or SIGTERM, 2 after an error of the project's own types, 1 after anything else.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.realtime.memory import lock_memory

# How long a stop request may wait for the executor [s].
SPIN_TIMEOUT = 0.1
# A thread with a deadline waits at most this long [s] for another one to give up the interpreter.
SWITCH_INTERVAL = 0.5e-3


class ManagedNode(Node):
    """A node whose threads can end its process: :meth:`fail` from any thread, clean-up in :meth:`close`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.failure: BaseException | None = None
        self.memory_locked = lock_memory()

    def fail(self, error: BaseException) -> None:
        """End the process because of ``error``; the first error counts."""
        self.failure = self.failure or error

    def end(self) -> None:
        """Begin to end in order; called once, in the executor's thread."""

    @property
    def ended(self) -> bool:
        """Whether the orderly end is over."""
        return True

    def hurry(self) -> None:
        """End without what takes time; called when the operator asks again."""

    def close(self) -> None:
        """Stop threads and release what the node holds; called once, also after an error."""


def run(make_node: Callable[[], ManagedNode]) -> None:
    """Run one node until SIGINT, SIGTERM or an error, then close it and exit the process."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sys.setswitchinterval(SWITCH_INTERVAL)
    # rclpy's own handlers would invalidate the context before the node could close in order.
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        sys.exit(_spin(make_node, stop))
    finally:
        rclpy.try_shutdown()


def freeze_garbage() -> None:
    """What is there by now stays: a later collection that walked through all of it would hold up every thread."""
    gc.collect()
    gc.freeze()


def _spin(make_node: Callable[[], ManagedNode], stop: threading.Event) -> int:
    node = None
    try:
        node = make_node()
        freeze_garbage()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not stop.is_set() and node.failure is None:
            executor.spin_once(timeout_sec=SPIN_TIMEOUT)
        node.end()
        until = time.monotonic() + 8.0
        while not node.ended and time.monotonic() < until:
            executor.spin_once(timeout_sec=SPIN_TIMEOUT)
        if node.failure is not None:
            raise node.failure
        return 0
    except DiffusionMpcError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 2
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        if node is not None:
            node.close()
            node.destroy_node()
