"""How every node process starts, spins and ends: one single-threaded executor, no traceback for a foreseen error.

It ends in order after SIGINT, SIGTERM, SIGHUP, the end of its launcher, or a failure: the node goes on being spun until
it says that it has ended. Exit status: 0 after a request to end, 2 after an error of the project's own types, 1 after
anything else.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import sys
import time
import traceback
from collections.abc import Callable

import rclpy
from rclpy.signals import SignalHandlerOptions

from diffusion_mpc_ros import shell
from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.nodes.end_requests import EndRequests
from diffusion_mpc_ros.nodes.executor import TolerantExecutor
from diffusion_mpc_ros.nodes.managed_node import ManagedNode
from diffusion_mpc_ros.realtime import output

# How long a request to end may wait for the executor [s].
SPIN_TIMEOUT = 0.1
# An executor that only fails must not take the processor from the other threads [s].
FAILURE_PAUSE = 0.01
# A thread with a deadline waits at most this long [s] for another one to give up the interpreter.
SWITCH_INTERVAL = 0.5e-3


def run(make_node: Callable[[], ManagedNode]) -> None:
    """Run one node until it is asked to end or fails, end it in order and exit the process."""
    output.never_block()
    faulthandler.enable(output.original_stderr())
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        shell.check(os.environ)
        ManagedNode.requests = requests = EndRequests()
        # rclpy's own handlers would invalidate the context before the node could close in order.
        rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
        node = make_node()
    except Exception as error:
        status = _report(error)
    else:
        status = _live(node, requests)
    rclpy.try_shutdown()
    sys.exit(status)


def freeze_garbage() -> None:
    """Keep what is there by now: a later collection that walked through all of it would hold up every thread."""
    gc.collect()
    gc.freeze()


def _live(node: ManagedNode, requests: EndRequests) -> int:
    """Live from the first callback to the last; the exit status."""
    freeze_garbage()
    executor = TolerantExecutor(node.intake.refuse)
    executor.add_node(node)
    status = _spin(node, executor, requests)
    failed_before = node.failure is not None
    if requests.orphaned:
        print(requests.orphaned, file=sys.stderr)
    _attempt(lambda: _end(node, executor, requests))
    if node.failure and not failed_before:
        status = status or _report(node.failure)
    closed = [_attempt(action) for action in (node.close, node.destroy_node)]
    return status or max(closed)


def _spin(node: ManagedNode, executor: TolerantExecutor, requests: EndRequests) -> int:
    """Spin until there is a reason to end; the exit status that it gives."""
    status = 0
    while not (status or requests.made or node.failure):
        status = _attempt(lambda: executor.spin_once(timeout_sec=SPIN_TIMEOUT))
    return _report(node.failure) if node.failure else status


def _end(node: ManagedNode, executor: TolerantExecutor, requests: EndRequests) -> None:
    """End in order; what fails meanwhile is reported and changes nothing."""
    deadline = time.monotonic() + node.end_timeout
    hurried = False
    _attempt(node.end)
    while not node.ended:
        if time.monotonic() > deadline:
            print(f"error: no orderly end within {node.end_timeout:.0f} s", file=sys.stderr)
            return
        if requests.insisted() and not hurried:
            hurried = True
            _attempt(node.hurry)
        if _attempt(lambda: executor.spin_once(timeout_sec=SPIN_TIMEOUT)):
            time.sleep(FAILURE_PAUSE)


def _attempt(action: Callable[[], object]) -> int:
    """Do ``action``; 0, or the exit status of the error that it raised, which is reported."""
    try:
        action()
    except Exception as error:
        return _report(error)
    return 0


def _report(error: BaseException) -> int:
    """Say what went wrong; the exit status for it."""
    if isinstance(error, DiffusionMpcError):
        print(f"error: {error}", file=sys.stderr)
        return 2
    traceback.print_exception(error)
    return 1
