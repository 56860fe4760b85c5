"""The ROS side of a recording: subscribes as no node has to wait for, asks the nodes for their parameters, counts."""

from __future__ import annotations

import contextlib
import importlib
import json
import time
from functools import partial
from typing import Any

from diffusion_mpc_msgs.msg import Plan, RewardWeights
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.task import Future

from diffusion_mpc_ros.bags import topics
from diffusion_mpc_ros.bags.recording import Message, Recording
from diffusion_mpc_ros.bags.topics import TOPICS, Delivery, Topic
from diffusion_mpc_ros.core.errors import MessageError
from diffusion_mpc_ros.nodes.graph_client import GraphClient
from diffusion_mpc_ros.nodes.intake import read_message
from diffusion_mpc_ros.nodes.qos import NOT_COUNTED, RECORDED, RECORDED_RELIABLY, SETTINGS

QOS = {Delivery.STREAM: RECORDED, Delivery.RELIABLE: RECORDED_RELIABLY, Delivery.SETTINGS: SETTINGS}
# How often [s] is looked for nodes to ask and for topics whose type is not known.
LOOK_PERIOD = 1.0
# Of one publisher each, whose numbers have no gap.
COUNTED = (topics.ROBOT_STATE, topics.JOINT_COMMAND, topics.PLAN, topics.REWARD_WEIGHTS)


class Recorder(GraphClient):
    """Hands every message of the topics of the robot in ``namespace`` to ``recording``, as bytes."""

    def __init__(self, recording: Recording, nodes: tuple[str, ...], namespace: str = "") -> None:
        super().__init__("recorder", namespace)
        self._recording = recording
        # By a clock that is never set: what comes later is stamped later.
        self._offset = time.time_ns() - time.monotonic_ns()
        self._numbers: dict[str, int] = {}
        self._artefacts: set[bytes] = set()
        self.rewards: dict[int, dict[str, Any]] = {}  # by revision: what it was and since when
        self.last_command = time.monotonic()  # when the last joint_command came [s, monotonic]
        self._unknown = [topic for topic in TOPICS if len(topic.types) > 1]
        for topic in TOPICS:
            if len(topic.types) == 1:
                self._subscribe(topic, topic.types[0])
        self._clients = {name: AsyncParameterClient(self._node, name) for name in nodes}
        self._asked: set[str] = set()
        self._node.create_timer(LOOK_PERIOD, self._look)

    def _subscribe(self, topic: Topic, type_name: str) -> None:
        package, _, name = type_name.split("/")
        message_type = getattr(importlib.import_module(f"{package}.msg"), name)
        full_name = self._node.resolve_topic_name(topic.name)

        # rclpy tells by the number of arguments whether a callback wants to know of the message's origin; its types
        # know one argument alone.
        def take(data: bytes, info: dict[str, int]) -> None:
            self._take(topic, full_name, type_name, data, info)

        callback: Any = take
        self._node.create_subscription(message_type, topic.name, callback, QOS[topic.delivery], raw=True)

    def _take(self, topic: Topic, full_name: str, type_name: str, data: bytes, info: dict[str, int]) -> None:
        number = info.get("publication_sequence_number", NOT_COUNTED)
        self._recording.add(
            Message(
                full_name,
                type_name,
                time.monotonic_ns() + self._offset,
                info["source_timestamp"],
                data,
                number & 0xFFFFFFFF if number != NOT_COUNTED else 0,
            )
        )
        if topic.name in COUNTED and number != NOT_COUNTED:
            # A publisher that has started anew counts from the beginning.
            missing = number - self._numbers.get(topic.name, number - 1) - 1
            if missing > 0:
                self._recording.lose(full_name, missing)
            self._numbers[topic.name] = number
        if topic.name == topics.JOINT_COMMAND:
            self.last_command = time.monotonic()
        # Anybody may publish what is none of these: it is recorded all the same.
        with contextlib.suppress(MessageError):
            if topic.name == topics.PLAN:
                self._note_artefact(data)
            elif topic.name == topics.REWARD_WEIGHTS:
                self._note_rewards(data)

    def _note_artefact(self, data: bytes) -> None:
        if any(identity in data for identity in self._artefacts):
            return
        identity = read_message(data, Plan).artefact
        if identity:
            self._artefacts.add(identity.encode())
            self._recording.manifest = self._recording.manifest.with_artefact(identity)

    def _note_rewards(self, data: bytes) -> None:
        message = read_message(data, RewardWeights)
        since = self.rewards.get(message.revision, {}).get("since", time.monotonic_ns() + self._offset)
        weights = {name: weight for name, weight in zip(message.names, message.weights) if weight}
        self.rewards[message.revision] = {
            "since": since,
            "weights": weights,
            "constraints": list(message.constraints),
        }

    def _look(self) -> None:
        """Subscribe to what has a publisher now, and ask the nodes that have started."""
        for topic in tuple(self._unknown):
            endpoints = self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(topic.name))
            found = [endpoint.topic_type for endpoint in endpoints if endpoint.topic_type in topic.types]
            if found:
                self._unknown.remove(topic)
                self._subscribe(topic, found[0])
        for name, client in self._clients.items():
            if not client.services_are_ready():
                self._asked.discard(name)
            elif name not in self._asked:
                self._asked.add(name)
                client.list_parameters(callback=partial(self._on_names, name))

    @property
    def alive(self) -> bool:
        """Return whether messages are still taken: an error nobody has foreseen ends the thread that does."""
        return self._thread.is_alive()

    def _on_names(self, node: str, future: Future) -> None:
        answer = self.intake.answer(f"{node}/list_parameters", future)
        if answer is None:
            self._asked.discard(node)
            return
        names = list(answer.result.names)
        self._clients[node].get_parameters(names, callback=partial(self._on_values, node, names))

    def _on_values(self, node: str, names: list[str], future: Future) -> None:
        answer = self.intake.answer(f"{node}/get_parameters", future)
        if answer is None:
            self._asked.discard(node)
            return
        values = (parameter_value_to_python(value) for value in answer.values)
        parameters = json.loads(json.dumps(dict(zip(names, values)), default=list))
        self._recording.manifest = self._recording.manifest.with_node(node, parameters)
