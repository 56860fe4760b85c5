"""The robot's DDS topics: a domain on one network interface, publishers, subscribers."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.types import JointCommand, LowState
from diffusion_mpc_ros.go2 import messages, sdk
from diffusion_mpc_ros.go2.messages import SportModeState
from diffusion_mpc_ros.go2.wire import MessageError

LOOPBACK = "lo"
MAX_DOMAIN_ID = 230
# Without multicast, participants are found by asking this many ports of the peer, one per process in the domain.
_MAX_PARTICIPANT_INDEX = 31
_DISCOVERY_POLL = 0.01  # [s]

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Channel(Generic[T]):
    """A topic of the robot with the conversion between its DDS samples and the project's type ``T``."""

    topic: str
    idl_type: type
    encode: Callable[[T], bytes]
    decode: Callable[[bytes, float], T]  # (sample, receive_time [s])


LOWSTATE: Channel[LowState] = Channel(
    "rt/lowstate", sdk.LowState_, messages.encode_lowstate, messages.decode_lowstate
)
LOWCMD: Channel[JointCommand] = Channel(
    "rt/lowcmd", sdk.LowCmd_, messages.encode_lowcmd, lambda sample, _: messages.decode_lowcmd(sample)
)
SPORTMODESTATE: Channel[SportModeState] = Channel(
    "rt/sportmodestate",
    sdk.SportModeState_,
    messages.encode_sportmodestate,
    lambda sample, _: messages.decode_sportmodestate(sample),
)


def network_interfaces() -> list[str]:
    """Names of this machine's network interfaces."""
    return [name for _, name in socket.if_nameindex()]


class Go2Domain:
    """The DDS domain of the robot (0) or the simulator (1), bound to one network interface; see :func:`open_domain`."""

    def __init__(self, domain: sdk.Domain, participant: sdk.DomainParticipant) -> None:
        self._domain: sdk.Domain | None = domain
        self._participant: sdk.DomainParticipant | None = participant

    @property
    def participant(self) -> sdk.DomainParticipant:
        """The DDS participant; raises :class:`InterfaceError` once closed."""
        if self._participant is None:
            raise InterfaceError("the DDS domain is closed")
        return self._participant

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

    On ``lo`` discovery goes without multicast, which the loopback usually lacks. Raises :class:`InterfaceError` for an
    interface that is not there or not usable, a domain id out of range, or a domain that this process already joined.
    """
    if network_interface not in network_interfaces():
        raise InterfaceError(
            f"network interface {network_interface!r} does not exist; this machine has {network_interfaces()} "
            f"({LOOPBACK!r} for the simulator, the wired one for the robot)"
        )
    if not 0 <= domain_id <= MAX_DOMAIN_ID:
        raise InterfaceError(f"DDS domain id {domain_id} is not in 0..{MAX_DOMAIN_ID}")
    try:
        domain = sdk.Domain(domain_id, _domain_configuration(network_interface))
        return Go2Domain(domain, sdk.DomainParticipant(domain_id))
    except sdk.DDSException as error:
        raise InterfaceError(
            f"cannot join DDS domain {domain_id} on {network_interface!r} ({error.msg}): the interface must be up with "
            f"an IPv4 address, and no other part of this process (such as rmw_cyclonedds_cpp) may hold the same domain"
        ) from error


def _domain_configuration(network_interface: str) -> str:
    loopback = network_interface == LOOPBACK
    multicast = "false" if loopback else "default"
    peers = '<Peers><Peer address="localhost"/></Peers>' if loopback else ""
    return (
        '<CycloneDDS><Domain Id="any"><General>'
        f'<Interfaces><NetworkInterface name="{network_interface}" multicast="{multicast}"/></Interfaces>'
        f"<AllowMulticast>{multicast}</AllowMulticast></General>"
        "<Discovery><ParticipantIndex>auto</ParticipantIndex>"
        f"<MaxAutoParticipantIndex>{_MAX_PARTICIPANT_INDEX}</MaxAutoParticipantIndex>{peers}</Discovery>"
        "</Domain></CycloneDDS>"
    )


class _Sample:
    """Serialized bytes as the DDS library's readers and writers take and give them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sample_info: Any = None

    def serialize(self, use_version_2: bool | None = None) -> bytes:
        return self.data

    @classmethod
    def deserialize(cls, data: bytes) -> _Sample:
        return cls(data)

    @classmethod
    def deserialize_key(cls, data: bytes) -> None:
        """The topics have no key: a disposed instance carries no data."""


def _topic(domain: Go2Domain, channel: Channel[Any]) -> sdk.Topic:
    # The type's description (name, XTypes information) is the SDK's, only the conversion to Python objects is not.
    data_type = type(channel.idl_type.__name__, (_Sample,), {"__idl__": channel.idl_type.__idl__})
    return sdk.Topic(domain.participant, channel.topic, data_type)


class Publisher(Generic[T]):
    """Publishes on one channel; ``publish`` does not block."""

    def __init__(self, domain: Go2Domain, channel: Channel[T]) -> None:
        self._encode = channel.encode
        topic = _topic(domain, channel)
        self._sample_type = topic.data_type
        self._writer: sdk.DataWriter | None = sdk.DataWriter(domain.participant, topic)

    def publish(self, value: T) -> None:
        """Encode and send; raises :class:`MessageError` for a value that is not finite."""
        if self._writer is None:
            raise InterfaceError("the publisher is closed")
        self._writer.write(self._sample_type(self._encode(value)))

    def num_subscribers(self) -> int:
        """How many subscribers listen."""
        return len(self._writer.get_matched_subscriptions()) if self._writer is not None else 0

    def wait_for_subscriber(self, timeout: float) -> bool:
        """Wait at most ``timeout`` [s] until somebody listens; whether somebody does."""
        deadline = time.monotonic() + timeout
        while self.num_subscribers() == 0:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_DISCOVERY_POLL)
        return True

    def close(self) -> None:
        """Stop publishing; may be called twice."""
        self._writer = None


class Subscriber(Generic[T]):
    """Keeps the latest value of one channel and hands each one to ``callback``, on the DDS receive thread.

    Samples that do not decode are counted in ``rejected`` and named in ``last_error``; they change nothing else.
    """

    def __init__(self, domain: Go2Domain, channel: Channel[T], callback: Callable[[T], None] | None = None) -> None:
        self.received = 0
        self.rejected = 0
        self.last_error = ""
        self._decode = channel.decode
        self._callback = callback
        self._latest: T | None = None
        self._changed = threading.Condition()
        self._closed = False
        # Kept as long as this object: a callback may still run in it when the reader has let go of it.
        self._listener = sdk.Listener(on_data_available=self._on_data_available)
        self._reader: sdk.DataReader | None = sdk.DataReader(
            domain.participant, _topic(domain, channel), listener=self._listener
        )
        # What came while the reader was still being made had nobody to take it.
        self._on_data_available(self._reader)

    def latest(self) -> T | None:
        """The newest value, or None before the first."""
        return self._latest

    def wait(self, timeout: float, received: int = 1) -> T | None:
        """Wait at most ``timeout`` [s] until ``received`` values have come; the newest, or None on timeout."""
        with self._changed:
            return self._latest if self._changed.wait_for(lambda: self.received >= received, timeout) else None

    def num_publishers(self) -> int:
        """How many publishers there are on this topic, this process's own included."""
        return len(self._reader.get_matched_publications()) if self._reader is not None else 0

    def close(self) -> None:
        """Stop receiving; no callback begins or still runs afterwards; may be called twice.

        Not from a callback: it waits for the running one to end.
        """
        self._closed = True
        if self._reader is not None:
            # A callback holds the reader. Were it the last to do so, it would delete the reader from within the
            # reader's own callback, which waits for itself.
            self._reader.set_listener(None)
        self._reader = None

    def _on_data_available(self, reader: sdk.DataReader | None) -> None:
        # The DDS library passes None for a reader that is not there yet, or no longer at the interpreter's exit.
        if self._closed or reader is None:
            return
        try:
            for sample in reader.take(1):
                if isinstance(sample, _Sample):
                    self._receive(sample.data)
        except sdk.DDSException as error:
            self.last_error = error.msg

    def _receive(self, data: bytes) -> None:
        try:
            value = self._decode(data, time.monotonic())
        except MessageError as error:
            self.rejected += 1
            self.last_error = str(error)
            return
        with self._changed:
            self._latest = value
            self.received += 1
            self._changed.notify_all()
        if self._callback is not None:
            try:
                self._callback(value)
            except Exception:
                _log.exception("the callback for a %s raised", type(value).__name__)
