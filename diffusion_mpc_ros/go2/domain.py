"""The robot's DDS domain on one network interface."""

from __future__ import annotations

import select
import socket
from collections.abc import Collection

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.go2 import interface_filter, sdk
from diffusion_mpc_ros.go2.interface_filter import LOOPBACK

MAX_DOMAIN_ID = 230
# Without multicast, participants are found by asking this many ports of the peer, one per process in the domain.
_MAX_PARTICIPANT_INDEX = 31


def network_interfaces() -> list[str]:
    """Names of this machine's network interfaces."""
    return [name for _, name in socket.if_nameindex()]


class Go2Domain:
    """The DDS domain of the robot (0) or the simulator (1), bound to one network interface; see :func:`open_domain`."""

    def __init__(
        self, domain: sdk.Domain, participant: sdk.DomainParticipant, descriptors: Collection[int] = ()
    ) -> None:
        self._domain: sdk.Domain | None = domain
        self._participant: sdk.DomainParticipant | None = participant
        self._sockets = select.poll()
        for descriptor in descriptors:
            self._sockets.register(descriptor, select.POLLIN)

    @property
    def participant(self) -> sdk.DomainParticipant:
        """The DDS participant; raises :class:`InterfaceError` once closed."""
        if self._participant is None:
            raise InterfaceError("the DDS domain is closed")
        return self._participant

    def unread(self) -> bool:
        """Return whether packets wait in the kernel that the DDS library has not read yet; never waits itself."""
        return any(event & select.POLLIN for _, event in self._sockets.poll(0))

    def close(self) -> None:
        """Leave the domain; close publishers and subscribers first."""
        # The DDS library frees an entity with its last Python reference: the participant before its domain.
        self._participant = None
        self._domain = None

    def __enter__(self) -> Go2Domain:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_domain(network_interface: str, domain_id: int) -> Go2Domain:
    """Join DDS domain ``domain_id`` (0 on the robot, 1 by convention in simulation) on ``network_interface``.

    On ``lo`` participants are found by unicast, as the loopback usually lacks multicast, and by multicast as well, as
    Unitree's simulator and SDK programs do. What arrives through any other interface than that and the loopback is
    dropped. Raises :class:`InterfaceError` for an interface that is not there
    or not usable, a domain id out of range, or a domain that this process already joined.
    """
    if network_interface not in network_interfaces():
        raise InterfaceError(
            f"network interface {network_interface!r} does not exist; this machine has {network_interfaces()} "
            f"({LOOPBACK!r} for the simulator, the wired one for the robot)"
        )
    if not 0 <= domain_id <= MAX_DOMAIN_ID:
        raise InterfaceError(f"DDS domain id {domain_id} is not in 0..{MAX_DOMAIN_ID}")
    others = interface_filter.open_sockets()
    try:
        domain = sdk.Domain(domain_id, _domain_configuration(network_interface))
        participant = sdk.DomainParticipant(domain_id)
        sockets = interface_filter.open_sockets() - others
        interface_filter.confine(sockets, network_interface)
        return Go2Domain(domain, participant, sockets)
    except OSError as error:
        raise InterfaceError(f"cannot confine DDS domain {domain_id} to {network_interface!r}: {error}") from error
    except sdk.DDSException as error:
        raise InterfaceError(
            f"cannot join DDS domain {domain_id} on {network_interface!r} ({error.msg}): the interface must be up with "
            f"an IPv4 address, and no other part of this process (such as rmw_cyclonedds_cpp) may hold the same domain"
        ) from error


def _domain_configuration(network_interface: str) -> str:
    # On the loopback both ways of discovery: the library uses multicast where it can, and the peers without it. Only
    # discovery: no data goes to a group.
    loopback = network_interface == LOOPBACK
    multicast = "spdp" if loopback else "default"
    peers = '<Peers><Peer address="localhost"/></Peers>' if loopback else ""
    return (
        '<CycloneDDS><Domain Id="any"><General>'
        f'<Interfaces><NetworkInterface name="{network_interface}" multicast="default"/></Interfaces>'
        f"<AllowMulticast>{multicast}</AllowMulticast></General>"
        "<Discovery><ParticipantIndex>auto</ParticipantIndex>"
        f"<MaxAutoParticipantIndex>{_MAX_PARTICIPANT_INDEX}</MaxAutoParticipantIndex>{peers}</Discovery>"
        "</Domain></CycloneDDS>"
    )
