"""Who publishes on a topic of the robot: label and process, as far as its DDS library tells them."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros.go2 import sdk
from diffusion_mpc_ros.go2.channels import Go2Domain

# More publishers than any robot has.
_MAX_ENTITIES = 1000


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


def topic_publishers(domain: Go2Domain, topic: str) -> list[TopicPublisher]:
    """The publishers on ``topic`` that were discovered so far, those of this process included."""
    processes = {sample.key: _properties(sample.qos) for sample in _take(domain, sdk.BuiltinTopicDcpsParticipant)}
    publishers = []
    for publication in _take(domain, sdk.BuiltinTopicDcpsPublication):
        if publication.topic_name == topic:
            properties = processes.get(publication.participant_key, {})
            known = [properties.get(name, "") for name in ("__Hostname", "__ProcessName", "__Pid")]
            publishers.append(TopicPublisher(_label(publication.qos), *known))
    return publishers


def _take(domain: Go2Domain, builtin_topic: object) -> list:
    """What the DDS library knows; entities that are gone have no data."""
    samples = sdk.BuiltinDataReader(domain.participant, builtin_topic).take(_MAX_ENTITIES)
    return [sample for sample in samples if hasattr(sample, "qos")]


def _label(qos: sdk.Qos) -> str:
    user_data = qos[sdk.Policy.Userdata]
    return user_data.data.decode(errors="replace") if user_data is not None else ""


def _properties(qos: sdk.Qos) -> dict[str, str]:
    return {policy.key: policy.value for policy in qos if isinstance(policy, sdk.Policy.Property)}
