"""Joining the robot's topics from a node: its profile, and a network card that may come up only after the node."""

from __future__ import annotations

import fcntl
import socket
import struct
import time

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.go2.domain import Go2Domain, open_domain
from diffusion_mpc_ros.go2.interface_filter import LOOPBACK
from diffusion_mpc_ros.go2.link_options import LinkOptions
from diffusion_mpc_ros.go2.profile import RobotProfile, check_place, load_profile
from diffusion_mpc_ros.nodes.managed_node import ManagedNode
from diffusion_mpc_ros.nodes.robot_settings import RobotLinkSettings, RobotSettings
from diffusion_mpc_ros.nodes.settings import CommandPublisherSettings

POLL_PERIOD, WORD_PERIOD = 0.2, 5.0  # [s]
_SIOCGIFADDR = 0x8915


def join(node: ManagedNode, settings: RobotLinkSettings) -> Go2Domain:
    """Join domain ``domain_id`` on ``network_interface``, waiting at most ``wait_for_interface`` [s] for an address.

    Says so every 5 s meanwhile. Raises InterfaceError as open_domain does, and when asked to end while it waits.
    """
    interface, wait = settings.network_interface, settings.wait_for_interface
    start, said = time.monotonic(), -WORD_PERIOD
    while wait and not has_address(interface) and time.monotonic() - start < wait:
        if node.end_requested:
            raise InterfaceError(f"asked to end while waiting for network interface {interface!r}")
        waited = time.monotonic() - start
        if waited - said >= WORD_PERIOD:
            said = waited
            node.get_logger().warning(
                f"network interface {interface!r} is not there or has no IPv4 address yet: waiting, "
                f"{waited:.0f} of {wait:.0f} s"
            )
        time.sleep(POLL_PERIOD)
    return open_domain(interface, settings.domain_id)


def robot_profile(settings: RobotSettings) -> RobotProfile:
    """Return the profile ``robot``; raises ConfigurationError where it must not be used (go2/profile.py)."""
    profile = load_profile(settings.robot)
    check_place(profile, settings.network_interface == LOOPBACK, settings.simulator_on_network)
    return profile


def link_options(settings: CommandPublisherSettings, watchdog_timeout: float, profile: RobotProfile) -> LinkOptions:
    """Return how ``settings`` have the motors reached; the timeout in [s]."""
    priority = settings.realtime_priority
    return LinkOptions(
        settings.network_interface,
        settings.domain_id,
        watchdog_timeout,
        # Above what it watches.
        watchdog_priority=priority + 1 if priority else 0,
        dry_run=settings.dry_run,
        release=settings.release_robot_controller,
        restore=settings.restore_robot_controller,
        profile=profile,
    )


def has_address(interface: str) -> bool:
    """Return whether a network interface is there and has an IPv4 address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            fcntl.ioctl(any_socket, _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return False
    return True
