"""Who publishes on a topic of the robot: label and process, as far as its DDS library tells them.

All of it is foreign data: what cannot be read is left out, and never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from diffusion_mpc_ros.go2 import sdk

# More publishers than any robot has.
_MAX_ENTITIES = 1000
# How often matched endpoints are asked for when others appear meanwhile.
_MATCHED_ATTEMPTS = 5


@dataclass(frozen=True)
class TopicPublisher:
    """One publisher; ``""`` for what is not known.

    ``label``: see :class:`channels.Publisher`. ``host``, ``process`` and ``pid`` are what CycloneDDS, and so Unitree's
    SDK, says of itself. Of a process that was killed all this is still told for 10 s.
    """

    label: str = ""
    host: str = ""
    process: str = ""
    pid: str = ""

    def __str__(self) -> str:
        known = f"{self.process} (pid {self.pid} on {self.host})"
        return known if self.process else "a program that does not say its name"


def topic_publishers(participant: sdk.DomainParticipant, topic: str) -> list[TopicPublisher]:
    """Return the publishers on ``topic`` that were discovered so far, those of this process included."""
    processes = {sample.key: _properties(sample.qos) for sample in _take(participant, sdk.BuiltinTopicDcpsParticipant)}
    return [
        _publisher(publication, processes.get(publication.participant_key, {}))
        for publication in _take(participant, sdk.BuiltinTopicDcpsPublication)
        if publication.topic_name == topic
    ]


def matched(ask: Callable[[], list[int]]) -> list[int]:
    """Return the handles of matched endpoints that the DDS library's ``ask`` gives.

    It counts first and reads then: one that appears in between makes it raise IndexError.
    """
    for _ in range(_MATCHED_ATTEMPTS - 1):
        try:
            return ask()
        except IndexError:
            continue
    return ask()


def publisher_of(participant: sdk.DomainParticipant, reader: sdk.DataReader[Any], handle: int) -> TopicPublisher:
    """Return who writes to ``reader`` with the matched writer ``handle``."""
    try:
        endpoint = reader.get_matched_publication_data(handle)
    except Exception:  # noqa: BLE001 - whatever the library raises over foreign bytes
        endpoint = None
    if endpoint is None:
        return TopicPublisher()
    for sample in _take(participant, sdk.BuiltinTopicDcpsParticipant):
        if sample.key == endpoint.participant_key:
            return _publisher(endpoint, _properties(sample.qos))
    return _publisher(endpoint, {})


def _take(participant: sdk.DomainParticipant, builtin_topic: Any) -> Iterator[Any]:
    """Return what the DDS library knows; entities that are gone have no data."""
    reader = sdk.BuiltinDataReader(participant, builtin_topic)
    # One at a time: one that cannot be turned into an object takes no other with it.
    for _ in range(_MAX_ENTITIES):
        try:
            samples = reader.take(1)
        except Exception:  # noqa: BLE001
            continue
        if not samples:
            return
        if hasattr(samples[0], "qos"):
            yield samples[0]


def _publisher(endpoint: Any, properties: dict[str, str]) -> TopicPublisher:
    user_data = endpoint.qos[sdk.Policy.Userdata]
    label = user_data.data.decode(errors="replace") if user_data is not None else ""
    known = (properties.get(name, "") for name in ("__Hostname", "__ProcessName", "__Pid"))
    return TopicPublisher(*map(_printable, (label, *known)))


def _properties(qos: sdk.Qos) -> dict[str, str]:
    return {policy.key: policy.value for policy in qos if isinstance(policy, sdk.Policy.Property)}


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:100]
