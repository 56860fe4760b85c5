"""The robot's DDS topics: publishers and subscribers."""

from __future__ import annotations

import dataclasses
import functools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.types import JointCommand, LowState
from diffusion_mpc_ros.go2 import messages, participants, sdk
from diffusion_mpc_ros.go2.domain import Go2Domain
from diffusion_mpc_ros.go2.messages import SportModeState
from diffusion_mpc_ros.go2.profile import RobotProfile
from diffusion_mpc_ros.go2.publisher_labels import PublisherLabels
from diffusion_mpc_ros.go2.wire import SampleError

_DISCOVERY_POLL = 0.01  # [s]
# A source of samples that says nothing for this long [s] has ended: another one may take its place. A second source is
# told of for this long [s] after its last sample.
_SOURCE_SILENT, _FOREIGN_SHOWN = 0.5, 1.0
# So many samples wait for a thread that is held up: 64 ms of LowState.
_HISTORY = 32
_FOREVER = sdk.duration(infinite=True)
# A thread that rests is back after so long at the latest [s].
_LONGEST_REST = 0.02

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Channel(Generic[T]):
    """A topic of the robot with the conversion between its DDS samples and the project's type ``T``."""

    topic: str
    idl_type: Any  # a class of the SDK's
    encode: Callable[[T], bytes]
    decode: Callable[[bytes, float], T]  # (sample, receive_time [s])


LOWSTATE: Channel[LowState] = Channel("rt/lowstate", sdk.LowState_, messages.encode_lowstate, messages.decode_lowstate)
LOWCMD: Channel[JointCommand] = Channel(
    "rt/lowcmd", sdk.LowCmd_, messages.encode_lowcmd, lambda sample, _: messages.decode_lowcmd(sample)
)


def lowstate_of(profile: RobotProfile) -> Channel[LowState]:
    """Return :data:`LOWSTATE` for a robot that leaves out what ``profile`` declares missing."""
    return dataclasses.replace(LOWSTATE, decode=functools.partial(messages.decode_lowstate, missing=profile.missing))


# Where a dry run sends its commands: the motors do not listen.
LOWCMD_DRY_RUN: Channel[JointCommand] = dataclasses.replace(LOWCMD, topic="rt/lowcmd_dry_run")


def lowcmd_of(profile: RobotProfile, dry_run: bool = False) -> Channel[JointCommand]:
    """Return :data:`LOWCMD`, or that of a dry run, for a robot that bears no more damping than ``profile`` says."""

    def encode(command: JointCommand) -> bytes:
        return messages.encode_lowcmd(dataclasses.replace(command, kd=np.minimum(command.kd, profile.kd_max)))

    return dataclasses.replace(LOWCMD_DRY_RUN if dry_run else LOWCMD, encode=encode)


SPORTMODESTATE: Channel[SportModeState] = Channel(
    "rt/sportmodestate",
    sdk.SportModeState_,
    messages.encode_sportmodestate,
    lambda sample, _: messages.decode_sportmodestate(sample),
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
        """Return nothing: the topics have no key, a disposed instance carries no data."""


def _topic(domain: Go2Domain, channel: Channel[Any]) -> sdk.Topic[Any]:
    # The type's description (name, XTypes information) is the SDK's, only the conversion to Python objects is not.
    data_type = type(channel.idl_type.__name__, (_Sample,), {"__idl__": channel.idl_type.__idl__})
    return sdk.Topic(domain.participant, channel.topic, data_type)


class Publisher(Generic[T]):
    """Publishes on one channel; ``publish`` does not block.

    Subscribers in any process see ``label`` (:meth:`Subscriber.publisher_labels`): it is the writer's USER_DATA.
    """

    def __init__(self, domain: Go2Domain, channel: Channel[T], label: str = "") -> None:
        self._encode = channel.encode
        topic = _topic(domain, channel)
        self._sample_type = topic.data_type
        qos = sdk.Qos(sdk.Policy.Userdata(label.encode())) if label else None
        self._writer: sdk.DataWriter[Any] | None = sdk.DataWriter(domain.participant, topic, qos=qos)

    def publish(self, value: T) -> None:
        """Encode and send; raises :class:`SampleError` for a value that is not finite."""
        self.write(self.encode(value))

    def encode(self, value: T) -> bytes:
        """Return the sample of ``value`` for :meth:`write`; raises :class:`SampleError` for one that is not finite."""
        return self._encode(value)

    def write(self, sample: bytes) -> None:
        """Send an encoded sample; raises :class:`InterfaceError` when the DDS library does not take it."""
        if self._writer is None:
            raise InterfaceError("the publisher is closed")
        try:
            self._writer.write(self._sample_type(sample))
        except sdk.DDSException as error:
            raise InterfaceError(f"the DDS library does not take a sample: {error.msg}") from error

    def num_subscribers(self) -> int:
        """Return how many subscribers listen."""
        return len(participants.matched(self._writer.get_matched_subscriptions)) if self._writer is not None else 0

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


class NewestSample:
    """The newest sample of one channel, undecoded, for one thread that asks now and then and never waits."""

    def __init__(self, domain: Go2Domain, channel: Channel[Any]) -> None:
        qos = sdk.Qos(sdk.Policy.History.KeepLast(1))
        self._reader: sdk.DataReader[Any] | None = sdk.DataReader(domain.participant, _topic(domain, channel), qos=qos)

    def take(self) -> tuple[bytes, int] | None:
        """Return the newest sample and the handle of its writer; None where none has come since this was last asked."""
        if self._reader is None:
            return None
        try:
            samples = self._reader.take(1)
        except Exception:  # noqa: BLE001 - of a foreign sample: it tells nothing
            return None
        sample = samples[0] if samples else None
        return (sample.data, sample.sample_info.publication_handle) if isinstance(sample, _Sample) else None

    def close(self) -> None:
        """Leave the topic; may be called twice."""
        self._reader = None


class Pace(Protocol):
    """Which samples a subscriber needs (:class:`pacing.LowStatePace`); asked in the subscriber's thread."""

    def needs(self, sample: bytes) -> bool:
        """Return whether ``sample`` is to be decoded; asked of each one."""

    def rest(self) -> float:
        """Return how long [s] the thread may leave samples unread."""


class Subscriber(Generic[T]):
    """Keeps the latest value of one channel and hands each one to ``callback``, in a thread of its own.

    Samples that do not decode are counted in ``rejected`` and named in ``last_error``; they change nothing else. With
    ``single_source`` the samples of one writer count, the first that is heard, until it is silent for 0.5 s; those of
    others change nothing but :meth:`foreign_source`. With ``pace`` only the samples that it needs are decoded, and the
    thread rests meanwhile.

    The thread waits for samples; nothing of Python runs in the DDS library's own threads. A listener there would wait
    for the interpreter while the library makes any writer of this process wait for the listener, with the interpreter
    in its hands: two writers of one topic, one of them in a process that also reads it, are enough for a deadlock.
    """

    def __init__(
        self,
        domain: Go2Domain,
        channel: Channel[T],
        callback: Callable[[T], None] | None = None,
        single_source: bool = False,
        pace: Pace | None = None,
    ) -> None:
        self.received = 0
        self.rejected = 0
        self.last_error = ""
        self._decode = channel.decode
        self._callback = callback
        self._latest: T | None = None
        self._single_source, self._pace = single_source, pace
        self._source: tuple[int, float] | None = None  # handle of the writer that counts, and when it was heard [s]
        self._foreign: tuple[int, float] | None = None  # the same of the last other one
        self._foreign_name = ""
        participant = domain.participant
        self._participant: sdk.DomainParticipant | None = participant
        self._changed = threading.Condition()
        qos = sdk.Qos(sdk.Policy.History.KeepLast(_HISTORY))
        self._reader: sdk.DataReader[Any] | None = sdk.DataReader(participant, _topic(domain, channel), qos=qos)
        self._labels: PublisherLabels | None = PublisherLabels(self._reader)
        self._closed = False
        closing = sdk.GuardCondition(participant)
        self._closing: sdk.GuardCondition | None = closing
        self._thread = threading.Thread(
            target=self._receive_until_closed,
            args=(participant, self._reader, closing),
            name=channel.topic,
            daemon=True,
        )
        self._thread.start()

    def latest(self) -> T | None:
        """Return the newest value, or None before the first."""
        return self._latest

    def wait(self, timeout: float, received: int = 1) -> T | None:
        """Wait at most ``timeout`` [s] until ``received`` values have come; the newest, or None on timeout."""
        with self._changed:
            return self._latest if self._changed.wait_for(lambda: self.received >= received, timeout) else None

    def publisher_labels(self) -> list[str]:
        """Return the label of every publisher on this topic (:class:`PublisherLabels`); none once closed."""
        return self._labels.now() if self._labels is not None else []

    def is_source(self, writer: int) -> bool:
        """Return whether the samples of the writer of this handle are those that count."""
        source = self._source
        return source is not None and source[0] == writer

    def foreign_source(self) -> str:
        """Return who else has sent samples within the last second, "" when nobody has."""
        foreign = self._foreign
        return self._foreign_name if foreign is not None and clock.now() - foreign[1] <= _FOREIGN_SHOWN else ""

    def close(self) -> None:
        """Stop receiving; no callback begins or still runs afterwards; may be called twice.

        Not from a callback: it waits for the running one to end.
        """
        if self._closing is None:
            return
        self._closed = True
        self._closing.set(True)
        self._thread.join()
        self._reader = self._labels = self._closing = self._participant = None

    def _receive_until_closed(
        self, participant: sdk.DomainParticipant, reader: sdk.DataReader[Any], closing: sdk.GuardCondition
    ) -> None:
        unread = sdk.ReadCondition(reader, sdk.SampleState.NotRead | sdk.ViewState.Any | sdk.InstanceState.Any)
        events = sdk.WaitSet(participant)
        events.attach(unread)
        events.attach(closing)
        while not self._closed:
            events.wait(_FOREVER)
            self._take(reader)
            if self._pace is not None and (rest := self._pace.rest()) > 0.0:
                time.sleep(min(rest, _LONGEST_REST))
                # What came meanwhile must not wake the thread at once.
                self._take(reader)

    def _take(self, reader: sdk.DataReader[Any]) -> None:
        if self._closed:
            return
        try:
            samples, now = reader.take(_HISTORY), clock.now()
            for sample in samples:
                if isinstance(sample, _Sample):
                    self._receive(sample, now)
        except Exception as error:  # noqa: BLE001 - of a foreign sample; the next one is read all the same
            self.last_error = getattr(error, "msg", "") or repr(error)

    def _decoded(self, sample: _Sample, now: float) -> T:
        return self._decode(sample.data, now)

    def _counts(self, writer: int, now: float) -> bool:
        """Return whether samples of ``writer`` count; those of a second source are only noted."""
        if self._source is None or writer == self._source[0] or now - self._source[1] > _SOURCE_SILENT:
            self._source = writer, now
            return True
        participant, reader = self._participant, self._reader
        known = self._foreign is not None and self._foreign[0] == writer
        if not known and participant is not None and reader is not None:
            # Here, where nobody waits for it.
            handle = writer - 2**64 if writer >= 2**63 else writer
            self._foreign_name = str(participants.publisher_of(participant, reader, handle))
        self._foreign = writer, now
        return False

    def _receive(self, sample: _Sample, now: float) -> None:
        """Take a sample that has come by ``now`` [s]."""
        if self._single_source and not self._counts(sample.sample_info.publication_handle, now):
            return
        if self._pace is not None and not self._pace.needs(sample.data):
            return
        try:
            value = self._decoded(sample, now)
        except SampleError as error:
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


class PublisherWatch:
    """Tells who publishes on a channel; its samples are left to the DDS library, which wakes nobody."""

    def __init__(self, domain: Go2Domain, channel: Channel[Any]) -> None:
        qos = sdk.Qos(sdk.Policy.History.KeepLast(1))
        reader = sdk.DataReader(domain.participant, _topic(domain, channel), qos=qos)
        self._labels: PublisherLabels | None = PublisherLabels(reader)

    def labels(self) -> list[str]:
        """Return the label of every publisher, as :meth:`Subscriber.publisher_labels`."""
        return self._labels.now() if self._labels is not None else []

    def close(self) -> None:
        """Stop watching; may be called twice."""
        self._labels = None


@dataclass(frozen=True)
class StampedSample:
    """A sample as it was on the wire, with two stamps [ns] of the system's clock: the writer's and the reader's own."""

    data: bytes
    sent: int
    received: int


class Tap(Subscriber[StampedSample]):
    """Hands the samples of a channel on undecoded, with the stamp that their writer put on the wire."""

    def __init__(
        self, domain: Go2Domain, channel: Channel[Any], callback: Callable[[StampedSample], None] | None = None
    ) -> None:
        super().__init__(domain, channel, callback)

    def _decoded(self, sample: _Sample, now: float) -> StampedSample:
        received = time.time_ns()
        return StampedSample(sample.data, sample.sample_info.source_timestamp, received)
