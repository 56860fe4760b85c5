"""A bag in memory: the topics of one robot as checked columns and types, and what is odd about the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.bags import decoding, manifest, topics
from diffusion_mpc_ros.bags.decoding import RecordedPlan
from diffusion_mpc_ros.bags.manifest import Manifest
from diffusion_mpc_ros.bags.reader import BagReader, Record
from diffusion_mpc_ros.core.errors import BagError, DiffusionMpcError, JointOrderError, brief
from diffusion_mpc_ros.core.go2 import joint_permutation
from diffusion_mpc_ros.core.message_fields import read_reward_settings
from diffusion_mpc_ros.core.types import RewardSettings

# Without these nothing can be learnt or planned again from a bag.
NEEDED = (topics.ROBOT_STATE, topics.JOINT_COMMAND, topics.PLAN, topics.REWARD_WEIGHTS)
NANOSECOND = 1e-9
# A topic of this project with messages of another type; counted, and never decoded.
WRONG_TYPE = "its type is {}, expected is {}"
# Levels of a diagnostic status, as in DiagnosticStatus.msg.
LEVELS = {1: "warning", 2: "error", 3: "stale"}


@dataclass
class Stream:
    """A topic: when its messages came [ns since 1970], and how many made no sense, with the first reason."""

    type_name: str
    log_times: list[int] = field(default_factory=list)
    rejected: int = 0
    reason: str = ""

    def refuse(self, reason: str) -> None:
        """Count a message that cannot be used."""
        self.rejected += 1
        self.reason = self.reason or reason

    @property
    def rate(self) -> float:
        """Return messages a second between the first and the last one; 0 for fewer than two."""
        times = self.log_times
        return (len(times) - 1) / ((times[-1] - times[0]) * NANOSECOND) if times and times[-1] > times[0] else 0.0

    @property
    def longest_gap(self) -> float:
        """Return the longest time between two messages [s]."""
        return float(np.diff(self.log_times).max()) * NANOSECOND if len(self.log_times) > 1 else 0.0

    @property
    def backwards(self) -> int:
        """Return how often a message is stamped before the one in front of it."""
        return int((np.diff(self.log_times) < 0).sum())


@dataclass
class Diagnostic:
    """What one status of ``/diagnostics`` said last, and how often it was no "ok", by text."""

    values: Mapping[str, str] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)


@dataclass
class Bag:
    """``states`` and ``commands``: columns of :mod:`.decoding` by name with ``log_time`` [ns], in order of receipt.

    ``streams``: every topic of the file by its full name. ``manifest``: None in a bag of another recorder, and
    ``manifest_problem`` says why there is one that does not fit. ``position (n, 3)`` [m] and its ``log_time``: odom.
    """

    path: Path
    namespace: str = ""
    manifest: Manifest | None = None
    manifest_problem: str = ""
    summary: Mapping[str, Any] | None = None
    damage: list[str] = field(default_factory=list)
    streams: dict[str, Stream] = field(default_factory=dict)
    states: dict[str, np.ndarray] = field(default_factory=dict)
    commands: dict[str, np.ndarray] = field(default_factory=dict)
    plans: list[RecordedPlan] = field(default_factory=list)
    rewards: list[tuple[int, RewardSettings]] = field(default_factory=list)
    stops: list[tuple[int, bool]] = field(default_factory=list)
    odometry: dict[str, np.ndarray] = field(default_factory=dict)
    diagnostics: dict[str, Diagnostic] = field(default_factory=dict)
    foreign_joints: str = ""

    @property
    def start(self) -> int:
        """Return when the first message came [ns since 1970]; 0 for a bag without any."""
        return min((stream.log_times[0] for stream in self.streams.values() if stream.log_times), default=0)

    @property
    def duration(self) -> float:
        """Return the time from the first message to the last [s]."""
        end = max((max(stream.log_times) for stream in self.streams.values() if stream.log_times), default=0)
        return (end - self.start) * NANOSECOND

    def name_of(self, topic: str) -> str:
        """Return the full name of a topic of this project."""
        return topic if topic.startswith("/") else f"{self.namespace}/{topic}"

    def stream(self, topic: str) -> Stream | None:
        """Return the topic of this project, None where the bag has none."""
        return self.streams.get(self.name_of(topic))

    def missing(self) -> list[str]:
        """Return, in words, what there is nothing usable of, of the topics that training and replay need."""
        found = {
            topics.ROBOT_STATE: len(self.states.get("tick", ())),
            topics.JOINT_COMMAND: len(self.commands.get("tick", ())),
            topics.PLAN: len(self.plans),
            topics.REWARD_WEIGHTS: len(self.rewards),
        }
        return [self._describe_missing(topic) for topic in NEEDED if not found[topic]]

    def require(self) -> None:
        """Raise BagError, which says what is missing, where a bag cannot be trained on or planned again."""
        problems = ([self.manifest_problem] if self.manifest_problem else []) + self.missing()
        if self.foreign_joints:
            problems.append(self.foreign_joints)
        if problems:
            held = ", ".join(f"{name} ({stream.type_name or 'no type'})" for name, stream in self.streams.items())
            raise BagError(f"{self.path}: {'; '.join(problems)}. It holds: {held or 'no messages'}")

    def _describe_missing(self, topic: str) -> str:
        stream, wanted = self.stream(topic), " or ".join(topics.TYPES[topic])
        if stream is None:
            return f"no {self.name_of(topic)} ({wanted})"
        if not stream.log_times:
            return f"no message on {self.name_of(topic)}"
        return f"none of the {len(stream.log_times)} messages on {self.name_of(topic)} is usable: {stream.reason}"


def load(path: Path, namespace: str | None = None) -> Bag:
    """Read the bag ``path``; of several robots that of ``namespace``.

    Raises BagError for what is no bag, for several robots where none is named and for one that is not there. What is
    missing or damaged within a bag is told by the :class:`Bag`.
    """
    loader = _Loader(path)
    for record in loader.reader:
        loader.take(record)
    return loader.finish(namespace)


class _Loader:
    """Takes the records one by one, of all robots: which one is wanted may be told by the manifest at the end."""

    def __init__(self, path: Path) -> None:
        self.reader = BagReader(path)
        self._bag = Bag(path)
        self._values: dict[str, list[tuple[int, Any]]] = {}  # by full topic: time of receipt and what was decoded

    def take(self, record: Record) -> None:
        source = record.source
        stream = self._bag.streams.setdefault(source.topic, Stream(source.type_name))
        stream.log_times.append(record.log_time)
        known = self._known(source.topic, source.type_name)
        decode = DECODERS.get(known)
        if decode is None:
            return
        expected = topics.TYPES[known]
        if source.type_name not in expected:
            stream.refuse(WRONG_TYPE.format(source.type_name or "not told", " or ".join(expected)))
            return
        try:
            value = decode(source.decode(record.data))
        except DiffusionMpcError as error:
            stream.refuse(str(error))
        except Exception as error:  # noqa: BLE001 - foreign bytes
            stream.refuse(f"not readable: {error!r}")
        else:
            self._values.setdefault(source.topic, []).append((record.log_time, value))

    def finish(self, namespace: str | None) -> Bag:
        bag = self._bag
        bag.damage = self.reader.damage
        self._read_metadata()
        bag.namespace = self._choose(namespace)
        bag.states, bag.commands = self._columns(topics.ROBOT_STATE), self._columns(topics.JOINT_COMMAND)
        bag.odometry = self._columns(topics.ODOM)
        bag.plans = [RecordedPlan(recorded.plan, recorded.artefact, time) for time, recorded in self._of(topics.PLAN)]
        bag.rewards, bag.stops = self._of(topics.REWARD_WEIGHTS), self._of(topics.E_STOP)
        self._note_diagnostics()
        foreign = [text for _, text in self._of(topics.JOINT_STATES) if text]
        bag.foreign_joints = foreign[0] if foreign else ""
        return bag

    def _known(self, topic: str, type_name: str) -> str:
        """The topic of this project that a full name is, in whatever namespace; "" for none."""
        if topic in topics.TYPES:
            return topic
        return next((name for name in DECODERS if not name.startswith("/") and topic.endswith(f"/{name}")), "")

    def _of(self, topic: str) -> list[tuple[int, Any]]:
        return self._values.get(self._bag.name_of(topic), [])

    def _columns(self, topic: str) -> dict[str, np.ndarray]:
        rows = self._of(topic)
        if not rows:
            return {}
        columns = {name: np.stack([row[name] for _, row in rows]) for name in rows[0][1]}
        return {"log_time": np.array([time for time, _ in rows], dtype=np.int64), **columns}

    def _choose(self, namespace: str | None) -> str:
        suffix = f"/{topics.ROBOT_STATE}"
        found = sorted(name.removesuffix(suffix) for name in self._bag.streams if name.endswith(suffix))
        if namespace is None and self._bag.manifest is not None:
            namespace = self._bag.manifest.namespace
        if namespace is not None:
            prefix = f"/{namespace.strip('/')}".rstrip("/")
            if found and prefix not in found:
                raise BagError(f"{self._bag.path}: no robot in the namespace {prefix or '/'}; there is {found}")
            return prefix
        if len(found) > 1:
            raise BagError(f"{self._bag.path} holds several robots, name one of the namespaces {found}")
        return found[0] if found else ""

    def _read_metadata(self) -> None:
        for name, content in self.reader.metadata:
            if name == manifest.SUMMARY:
                self._bag.summary = content
            elif name == manifest.MANIFEST:
                try:
                    self._bag.manifest = manifest.read_manifest(content)
                except BagError as error:
                    self._bag.manifest_problem = str(error)

    def _note_diagnostics(self) -> None:
        for _, statuses in self._of(topics.DIAGNOSTICS):
            for name, level, text, values in statuses:
                diagnostic = self._bag.diagnostics.setdefault(name, Diagnostic())
                diagnostic.values = values
                if level in LEVELS:
                    text = f"{LEVELS[level]}: {text}"
                    diagnostic.problems[text] = diagnostic.problems.get(text, 0) + 1


def _joints(message: Any) -> str:
    """What is wrong with the joints of a JointState, "" for nothing."""
    try:
        joint_permutation(list(message.name))
    except JointOrderError:
        return f"it is of another robot: {topics.JOINT_STATES} has the joints {brief(list(message.name))}"
    return ""


def _position(message: Any) -> dict[str, np.ndarray]:
    point = message.pose.pose.position
    return {"position": np.array([point.x, point.y, point.z], dtype=np.float64)}


def _statuses(message: Any) -> list[tuple[str, int, str, dict[str, str]]]:
    return [
        (
            str(status.name),
            # An octet: rosidl hands it out as bytes of length 1.
            status.level[0] if isinstance(status.level, bytes) else int(status.level),
            str(status.message),
            {str(value.key): str(value.value) for value in status.values},
        )
        for status in message.status
    ]


# What is read of a topic; the others are only counted.
DECODERS: dict[str, Callable[[Any], Any]] = {
    topics.ROBOT_STATE: decoding.robot_state_row,
    topics.JOINT_COMMAND: decoding.joint_command_row,
    topics.PLAN: decoding.recorded_plan,
    topics.REWARD_WEIGHTS: read_reward_settings,
    topics.E_STOP: lambda message: bool(message.data),
    topics.ODOM: _position,
    topics.DIAGNOSTICS: _statuses,
    topics.JOINT_STATES: _joints,
}
