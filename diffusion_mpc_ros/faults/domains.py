"""DDS and ROS domains that nobody uses, so that a robot that is running now is not disturbed."""

from __future__ import annotations

import os
import socket

from diffusion_mpc_ros.core.errors import InterfaceError

# Domains whose default ports lie below Linux's ephemeral ones; 0 and 1 are the robot's and the simulator's.
DOMAINS = range(10, 100)


def free_domains(count: int) -> list[int]:
    """``count`` domain ids without a participant on this machine; raises InterfaceError when there are fewer."""
    start = os.getpid() % len(DOMAINS)
    candidates = [*DOMAINS[start:], *DOMAINS[:start]]
    found = [domain for domain in candidates if _free(domain)][:count]
    if len(found) < count:
        raise InterfaceError(f"{len(found)} of the DDS domains {DOMAINS} are free, {count} are needed")
    return found


def _free(domain: int) -> bool:
    """Whether nobody uses the unicast ports of the domain's first participant (RTPS: 7410 + 250 * domain)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", 7410 + 250 * domain))
        except OSError:
            return False
    return True
