"""What a node takes from others: each message is decoded and checked, or refused in one line, and the node lives on."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from rclpy.task import Future

from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.errors import MessageError, PlanError, RewardError

Decoded = TypeVar("Decoded")

# What is refused is told of at most this often for each topic [s].
TOLD_EVERY = 1.0
# A foreign text is cut to so many printable characters.
MAX_TEXT = 300


class Intake:
    """Subscribes for ``node``, counts by topic what it refuses, and knows who publishes what cannot arrive.

    ``rejected``: refused messages by topic. ``lines``: what is to be told to people; whoever owns the node logs it.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.rejected: Counter[str] = Counter()
        self.lines: deque[str] = deque(maxlen=50)
        self._told: dict[str, float] = {}  # topic -> when its last line was written [s]
        self._expected: dict[str, list[tuple[type, QoSProfile]]] = {}

    def subscribe(
        self,
        message_type: type,
        topic: str,
        decode: Callable[[Any], Decoded],
        handle: Callable[[Decoded], object],
        qos: QoSProfile,
    ) -> Subscription:
        """Hand what ``decode`` makes of each message to ``handle``, in the executor's thread.

        A message that either refuses (MessageError, PlanError, RewardError), or that is none, is counted and told of.
        """

        def take(data: bytes) -> None:
            try:
                handle(decode(read_message(data, message_type)))
            except (MessageError, PlanError, RewardError) as error:
                self.refuse(topic, str(error))

        self.expect(topic, message_type, qos)
        # As bytes: what cannot even be read would raise within the executor otherwise.
        return self.node.create_subscription(message_type, topic, take, qos, raw=True)

    def expect(self, topic: str, message_type: type, qos: QoSProfile) -> None:
        """Note that ``topic`` is also read as ``message_type`` with ``qos``."""
        self._expected.setdefault(topic, []).append((message_type, qos))

    def refuse(self, topic: str, reason: str) -> None:
        """Count a message that cannot be used; tell of it unless that was done just now. Never blocks."""
        self.rejected[topic] += 1
        now = clock.now()
        if now - self._told.get(topic, -math.inf) >= TOLD_EVERY:
            self._told[topic] = now
            self.lines.append(f"{topic} refused ({self.rejected[topic]} so far): {printable(reason)}")

    def answer(self, service: str, future: Future) -> Any:
        """Return the answer of a call of ``service``; None, and told of, where the call has failed."""
        error = future.exception()
        if error is None:
            return future.result()
        self.refuse(service, f"the call has failed: {error!r}")
        return None

    def take_lines(self) -> Iterable[str]:
        """Take what is to be told, oldest first."""
        while self.lines:
            yield self.lines.popleft()

    def mismatched(self) -> list[str]:
        """Name each publisher that none of the topic's subscriptions hears, and why; in the executor's thread."""
        return [line for topic in tuple(self._expected) for line in self._unheard(topic)]

    def _unheard(self, topic: str) -> Iterable[str]:
        expected = tuple(self._expected[topic])
        names = list(dict.fromkeys(_type_name(message_type) for message_type, _ in expected))
        for endpoint in self.node.get_publishers_info_by_topic(topic):
            publisher = printable(f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}")
            offers = f"{topic}: {publisher} publishes"
            profiles = [qos for message_type, qos in expected if _type_name(message_type) == endpoint.topic_type]
            if not profiles:
                yield f"{offers} {printable(endpoint.topic_type)}, expected is {' or '.join(names)}"
                continue
            refusals = [_incompatible(endpoint.qos_profile, qos) for qos in profiles]
            if all(refusals):
                yield f"{offers} with another quality of service, expected is {_describe(profiles[0])}: {refusals[0]}"


def read_message(data: bytes, message_type: type) -> Any:
    """Return the message that ``data`` is; raises MessageError where it is none of ``message_type``."""
    try:
        return deserialize_message(data, message_type)
    except Exception as error:  # noqa: BLE001 - what the middleware raises for foreign bytes has no type of its own
        raise MessageError(f"{len(data)} bytes are no {_type_name(message_type)}: {error}") from None


def printable(text: str) -> str:
    """Return ``text`` for one line of a log, whatever it holds and however long it is."""
    return "".join(character if character.isprintable() else "?" for character in text[:MAX_TEXT])


def _type_name(message_type: type) -> str:
    return f"{message_type.__module__.split('.')[0]}/msg/{message_type.__name__}"


def _incompatible(offered: QoSProfile, requested: QoSProfile) -> str:
    """Return why nothing passes between the two; "" when it does."""
    compatibility, reason = qos_check_compatible(offered, requested)
    return reason if compatibility == QoSCompatibility.ERROR else ""


def _describe(qos: QoSProfile) -> str:
    return f"{qos.reliability.name}, {qos.durability.name} or more"
