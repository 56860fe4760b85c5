"""Injections of neighbours on the wire: other robots, recordings, writers of odd names."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.injections.injection import InjectionFailed, injection, must_refuse, repeating
from diffusion_mpc_ros.go2 import sdk
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import open_domain

# How long others may take to see a new writer [s].
DISCOVERY = 5.0


class RawName(str):
    """A name whose bytes on the wire are ``raw``, valid text or not."""

    raw = b""

    def encode(self, *_: object) -> bytes:
        return self.raw


def raw_name(raw: bytes) -> RawName:
    """A name of these bytes."""
    name = RawName("raw")
    name.raw = raw
    return name


@contextmanager
def _second_robot(harness: Harness, behind_ms: int):
    """Another source of LowState, its clock ``behind_ms`` behind, its joints elsewhere, 100 times a second."""
    with open_domain(harness.interface, harness.controller_domain) as domain:
        subscriber = Subscriber(domain, LOWSTATE)
        sample = subscriber.wait(DISCOVERY)
        subscriber.close()
        if sample is None:
            raise InjectionFailed("no LowState to imitate")
        publisher = Publisher(domain, LOWSTATE)
        publisher.wait_for_subscriber(DISCOVERY)
        begun = clock.now()

        def say() -> None:
            tick_ms = max(sample.tick_ms - behind_ms + round((clock.now() - begun) * 1e3), 1)
            publisher.publish(dataclasses.replace(sample, tick_ms=tick_ms, joint_pos=sample.joint_pos * 0.9))

        try:
            with repeating(say, 0.01):
                yield
        finally:
            publisher.close()


@injection
def second_lowstate(harness: Harness, behind_ms: int) -> Iterator[float]:
    """Another robot, simulator or recording sends LowStates while this one walks."""
    start = time.monotonic()
    with _second_robot(harness, behind_ms):
        yield start


@injection
def second_lowstate_at_stand_up(harness: Harness) -> Iterator[float]:
    """Another source of LowState is there when the robot is asked to stand up; it must be named in the refusal."""
    harness.request("sit_down")
    harness.monitor.wait(lambda: harness.monitor.mode() is Mode.DAMPING, DISCOVERY)
    with _second_robot(harness, 5_000):
        time.sleep(0.5)
        start = time.monotonic()
        must_refuse(harness, "stand_up", because="second source of LowState")
        yield start


@injection
def odd_writer(harness: Harness, label: bytes, partition: bytes = b"") -> Iterator[float]:
    """Another program opens rt/lowcmd for writing; its user data and partition are no text."""
    with open_domain(harness.interface, harness.controller_domain) as domain:
        policies = [sdk.Policy.Userdata(label)]
        if partition:
            policies.append(sdk.Policy.Partition(["", raw_name(partition)]))
        start = time.monotonic()
        topic = sdk.Topic(domain.participant, LOWCMD.topic, LOWCMD.idl_type)
        writer = sdk.DataWriter(domain.participant, topic, qos=sdk.Qos(*policies))
        yield start
        del writer, topic
