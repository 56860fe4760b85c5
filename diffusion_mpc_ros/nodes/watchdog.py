"""The process that damps the robot when ``command_publisher`` cannot: killed, hung, or starved of the processor.

``command_publisher`` starts it (:mod:`watchdog_handle`) in a session of its own, which neither a Ctrl-C nor a SIGKILL
to its process group reaches. Heartbeats come on the standard input; bytes on the standard output say that the DDS
writer is there, and each time that it has begun to damp: a robot that was damped must not walk on unasked.

It ignores SIGINT and SIGTERM: whoever stops all processes at once stops the robot through ``command_publisher``, and
the watchdog must outlive it. ``command_publisher`` tells it when to end; if it dies without a word, the end of the
input does. It is no ROS node and loads no rclpy: nothing of ROS can stop it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable

from diffusion_mpc_ros.control.heartbeats import LAST_DAMPING, Heartbeats
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWCMD_DRY_RUN, Publisher
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.realtime.memory import lock_memory
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime

# Said to the parent: the DDS writer is there; damping has begun.
READY, TOOK_OVER = b"R", b"T"
STDIN, STDOUT, STDERR = 0, 1, 2


def watch(watchdog: Heartbeats, send_damping: Callable[[], None]) -> None:
    """Read heartbeats and send damping while it is due, until nothing is left to watch."""
    damping, now = False, clock.now()
    while not watchdog.finished(now):
        inputs = [] if watchdog.gone else [STDIN]
        if select.select(inputs, [], [], watchdog.wait(now))[0]:
            beats = os.read(STDIN, select.PIPE_BUF)
            watchdog.heard(beats, clock.now())
        now = clock.now()
        was_damping, damping = damping, watchdog.damping(now)
        if damping:
            send_damping()
        if damping and not was_damping and not watchdog.gone:
            tell(TOOK_OVER)
        if damping is not was_damping:
            say(describe(watchdog, damping, now))


def describe(watchdog: Heartbeats, damping: bool, now: float) -> str:
    """Return what has just changed, for whoever reads the log."""
    if not damping:
        return "damping ends" if watchdog.gone else "command_publisher is back: damping ends"
    if watchdog.gone:
        return f"command_publisher has died while armed: damping for {LAST_DAMPING:.0f} s"
    return f"command_publisher has been silent for {watchdog.silence(now) * 1e3:.0f} ms while armed: damping"


def tell(word: bytes) -> None:
    """Say one word to the parent. It may have died just now: the end of the input says so as well."""
    with contextlib.suppress(OSError):
        os.write(STDOUT, word)


def say(text: str) -> None:
    """One line on the standard error, or none if nobody takes it: a reader that hangs must not hold up damping."""
    # Its reader may have died together with command_publisher.
    with contextlib.suppress(OSError):
        if select.select([], [STDERR], [], 0.0)[1]:
            os.write(STDERR, f"watchdog: {text}\n".encode())


def main() -> None:
    """Entry point of the process; exit status 2 when the DDS domain cannot be joined."""
    parser = argparse.ArgumentParser(prog="watchdog", description="Started by command_publisher, not by hand.")
    parser.add_argument("network_interface")
    parser.add_argument("domain_id", type=int)
    parser.add_argument("label", help="of the DDS writer")
    parser.add_argument("timeout", type=float, help="[s]")
    parser.add_argument("realtime_priority", type=int)
    parser.add_argument("kd", type=float, help="of damping [N m s/rad]")
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    schedule_realtime(arguments.realtime_priority)
    lock_memory()
    channel = LOWCMD_DRY_RUN if arguments.dry_run else LOWCMD
    sample = channel.encode(JointCommand.damping(arguments.kd))
    try:
        domain = open_domain(arguments.network_interface, arguments.domain_id)
    except InterfaceError as error:
        say(str(error))
        sys.exit(2)
    with domain:
        publisher = Publisher(domain, channel, arguments.label)

        def send_damping() -> None:
            try:
                publisher.write(sample)
            except InterfaceError as error:  # the next turn tries again
                say(f"damping was not sent: {error}")

        tell(READY)
        watch(Heartbeats(arguments.timeout), send_damping)
        publisher.close()


if __name__ == "__main__":
    main()
