"""Stands in for command_publisher in the watchdog's tests: starts the watchdog and beats, armed or not, at 50 Hz.

Arguments: DDS domain id, label, timeout [s], armed (1 or 0), "--dry-run" or nothing. Prints "ready" and the watchdog's
process id once the watchdog is ready and has been told. Ends it in order on SIGTERM.
"""

from __future__ import annotations

import signal
import sys
import threading

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.go2.link_options import LinkOptions
from diffusion_mpc_ros.nodes.watchdog_handle import WatchdogHandle


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    domain_id, label, timeout, armed = sys.argv[1:5]
    watchdog = WatchdogHandle(LinkOptions("lo", int(domain_id), float(timeout), dry_run="--dry-run" in sys.argv), label)
    told = False
    while not stop.wait(CONTROL_DT):
        ready = watchdog.ready
        watchdog.beat(armed == "1")
        if ready and not told:
            print(f"ready {watchdog._process.pid}", flush=True)
            told = True
    watchdog.close()


if __name__ == "__main__":
    main()
