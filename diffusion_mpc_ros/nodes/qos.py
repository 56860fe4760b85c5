"""Quality of service of the project's topics."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


# A new sample replaces an old one: whoever acts on a stream wants the latest only.
LATEST = _profile(1, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
# The publishing side of such a stream, and whoever counts or records it.
STREAM = _profile(50, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
# Every plan serves other ticks: none may be lost. Also standard topics, whose readers may ask for reliable delivery.
RELIABLE = _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
# What a node that starts late has to know: settings in force.
SETTINGS = _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
# An emergency stop is heard from a publisher of any quality of service: this one takes them all, as they come.
ANY_STOP = _profile(1000, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
# Of a reliable publisher nothing is lost, and a transient-local one tells also what it said before.
RELIABLE_STOP = _profile(1000, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
EARLIER_STOP = _profile(1000, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
# Whoever records takes everything, as fast as it can: the queue bridges what it cannot.
RECORDED = _profile(1000, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
RECORDED_RELIABLY = _profile(1000, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)

# What a middleware that does not count messages says in place of a message's number.
NOT_COUNTED = 2**64 - 1
