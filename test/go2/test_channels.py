"""DDS on the loopback: between processes, within one, and what is refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.go2 import channels, participants, publisher_labels, sdk
from diffusion_mpc_ros.go2.domain import Go2Domain, open_domain

WAIT = 20.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def domain_id(free_domain) -> int:
    return free_domain()


@pytest.fixture
def domain(domain_id):
    with open_domain("lo", domain_id) as opened:
        yield opened


def test_two_processes_exchange_states_and_commands(domain, domain_id):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    peer = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("dds_peer.py")), str(domain_id), "peer 7"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    states = channels.Subscriber(domain, channels.LOWSTATE)
    commands = channels.Publisher(domain, channels.LOWCMD)
    try:
        assert peer.stdout.readline() == "ready\n"
        state = states.wait(WAIT, received=5)
        assert state is not None, states.last_error
        assert state.joint_pos.tolist() == list(range(12))
        assert states.publisher_labels() == ["peer 7"]
        expected = (np.arange(12.0) / 4).tolist()
        command = JointCommand.position(np.array(expected), 40.0, 1.0)
        # The peer stops at the first command that arrives; discovery may take a few of them.
        for _ in range(int(WAIT / 0.05)):
            commands.publish(command)
            try:
                peer.wait(0.05)
                break
            except subprocess.TimeoutExpired:
                continue
        assert peer.wait(WAIT) == 0
        assert peer.stdout.read() == f"{expected}\n"
        assert states.rejected == 0
    finally:
        peer.kill()
        peer.wait()
        peer.stdout.close()
        states.close()
        commands.close()


def test_the_sdks_own_classes_understand_each_other(domain):
    """A writer made of nothing but the SDK's types reaches our subscriber, and our publisher its reader."""
    topic = sdk.Topic(domain.participant, channels.LOWCMD.topic, sdk.LowCmd_)
    reader = sdk.DataReader(domain.participant, topic)
    writer = sdk.DataWriter(domain.participant, topic)
    publisher = channels.Publisher(domain, channels.LOWCMD)
    subscriber = channels.Subscriber(domain, channels.LOWCMD)
    try:
        publisher.publish(JointCommand.damping(3.0))
        message = reader.take_one(timeout=sdk.duration(seconds=WAIT))
        assert [motor.kd for motor in message.motor_cmd[:12]] == [3.0] * 12
        first = subscriber.wait(WAIT)
        assert first is not None and first.kd.tolist() == [3.0] * 12
        writer.write(message)
        assert subscriber.wait(WAIT, received=2) is not None
    finally:
        publisher.close()
        subscriber.close()


def test_a_bad_sample_is_counted_and_changes_nothing(domain):
    arrived = threading.Event()
    subscriber = channels.Subscriber(domain, channels.LOWCMD, lambda _: arrived.set())
    writer = sdk.DataWriter(domain.participant, sdk.Topic(domain.participant, channels.LOWCMD.topic, sdk.LowCmd_))
    publisher = channels.Publisher(domain, channels.LOWCMD)
    try:
        good = sdk.LowCmd_.deserialize(channels.LOWCMD.encode(JointCommand.damping(3.0)))
        good.motor_cmd[0].q = 1.0
        writer.write(good)
        publisher.publish(JointCommand.damping(5.0))
        assert arrived.wait(WAIT)
        assert subscriber.latest().kd.tolist() == [5.0] * 12
        assert (subscriber.received, subscriber.rejected) == (1, 1)
        assert "CRC" in subscriber.last_error
    finally:
        publisher.close()
        subscriber.close()


def test_the_newest_sample_is_taken_once_with_its_writer(domain):
    newest = channels.NewestSample(domain, channels.LOWCMD)
    subscriber = channels.Subscriber(domain, channels.LOWCMD, single_source=True)
    publisher = channels.Publisher(domain, channels.LOWCMD)
    try:
        assert newest.take() is None
        for kd in (3.0, 4.0, 5.0):
            publisher.publish(JointCommand.damping(kd))
        assert subscriber.wait(WAIT, received=3) is not None
        sample, writer = newest.take()
        assert channels.LOWCMD.decode(sample, 0.0).kd.tolist() == [5.0] * 12
        assert subscriber.is_source(writer) and not subscriber.is_source(writer + 1)
        assert newest.take() is None
    finally:
        publisher.close()
        subscriber.close()
        newest.close()


def test_what_waits_in_the_kernel_is_seen():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        domain = Go2Domain(None, None, [receiver.fileno()])
        assert not domain.unread()
        receiver.sendto(b"packet", receiver.getsockname())
        assert domain.unread()
        receiver.recv(100)
        assert not domain.unread()


def test_writers_and_a_reader_of_one_topic_never_wait_for_each_other(domain):
    """A reader whose samples were handled in the DDS library's threads stopped both writers for good."""
    subscriber = channels.Subscriber(domain, channels.LOWCMD, lambda _: time.sleep(0))
    publishers = [channels.Publisher(domain, channels.LOWCMD) for _ in range(2)]

    def publish(publisher) -> None:
        for _ in range(1000):
            publisher.publish(JointCommand.damping(3.0))

    threads = [threading.Thread(target=publish, args=(publisher,), daemon=True) for publisher in publishers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    assert subscriber.wait(WAIT) is not None
    for entity in (subscriber, *publishers):
        entity.close()


def wait_for_labels(subscriber, expected):
    """Wait until ``expected`` are the labels of the publishers; the labels then, sorted."""
    deadline = time.monotonic() + WAIT
    while (labels := sorted(subscriber.publisher_labels())) != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    return labels


def test_every_publisher_is_told_apart_by_its_label(domain):
    """A label that is no text, and none at all, count as nobody's own, wherever the writer comes from."""
    topic = sdk.Topic(domain.participant, channels.LOWCMD.topic, sdk.LowCmd_)
    no_text = sdk.Qos(sdk.Policy.Userdata(b"\xff\xfe"))
    foreign = [sdk.DataWriter(domain.participant, topic), sdk.DataWriter(domain.participant, topic, qos=no_text)]
    subscriber = channels.Subscriber(domain, channels.LOWCMD)
    publishers = [channels.Publisher(domain, channels.LOWCMD, label) for label in ("command_publisher 1", "wächter")]
    elsewhere = channels.Publisher(domain, channels.LOWCMD_DRY_RUN, "dry run")
    try:
        expected = ["", "", "command_publisher 1", "wächter"]
        assert wait_for_labels(subscriber, expected) == expected
        publishers[0].close()
        foreign.clear()
        assert wait_for_labels(subscriber, ["wächter"]) == ["wächter"]
    finally:
        for entity in (*publishers, elsewhere, subscriber):
            entity.close()
    assert subscriber.publisher_labels() == []


def test_a_label_is_looked_up_once(domain, monkeypatch):
    looked_up, look_up = [], publisher_labels._label
    monkeypatch.setattr(
        publisher_labels, "_label", lambda *arguments: looked_up.append(arguments) or look_up(*arguments)
    )
    subscriber = channels.Subscriber(domain, channels.LOWCMD)
    first = channels.Publisher(domain, channels.LOWCMD, "first")
    try:
        assert wait_for_labels(subscriber, ["first"]) == ["first"]
        second = channels.Publisher(domain, channels.LOWCMD, "second")
        assert wait_for_labels(subscriber, ["first", "second"]) == ["first", "second"]
        assert wait_for_labels(subscriber, ["first", "second"]) == ["first", "second"]
        assert len(looked_up) == 2
        second.close()
    finally:
        first.close()
        subscriber.close()


def test_a_dry_run_sends_the_same_commands_elsewhere(domain):
    """What a dry run publishes reaches no subscriber of the motors' topic."""
    motors = channels.Subscriber(domain, channels.LOWCMD)
    dry_run = channels.Subscriber(domain, channels.LOWCMD_DRY_RUN)
    publisher = channels.Publisher(domain, channels.LOWCMD_DRY_RUN)
    try:
        publisher.publish(JointCommand.damping(3.0))
        command = dry_run.wait(WAIT)
        assert command is not None and command.kd.tolist() == [3.0] * 12
        assert motors.received == 0 and motors.publisher_labels() == []
    finally:
        for entity in (publisher, dry_run, motors):
            entity.close()


def test_a_callback_that_raises_does_not_stop_the_subscriber(domain, caplog):
    def callback(_):
        raise RuntimeError("broken callback")

    publisher = channels.Publisher(domain, channels.LOWCMD)
    subscriber = channels.Subscriber(domain, channels.LOWCMD, callback)
    try:
        for count in (1, 2):
            publisher.publish(JointCommand.damping(3.0))
            assert subscriber.wait(WAIT, received=count) is not None
    finally:
        subscriber.close()
        publisher.close()
    assert "broken callback" in caplog.text


def test_nothing_is_received_after_closing(domain):
    publisher = channels.Publisher(domain, channels.LOWCMD)
    subscriber = channels.Subscriber(domain, channels.LOWCMD)
    witness = channels.Subscriber(domain, channels.LOWCMD)
    subscriber.close()
    subscriber.close()
    publisher.publish(JointCommand.damping(3.0))
    assert witness.wait(WAIT) is not None
    assert subscriber.received == 0 and subscriber.latest() is None
    publisher.close()
    with pytest.raises(InterfaceError, match="closed"):
        publisher.publish(JointCommand.damping(3.0))
    witness.close()


def test_a_wrong_interface_is_named_with_the_valid_ones():
    with pytest.raises(InterfaceError, match=r"'eth99' does not exist.*'lo'"):
        open_domain("eth99", 1)


@pytest.mark.parametrize("domain_id", [-1, 231])
def test_a_domain_id_out_of_range_is_refused(domain_id):
    with pytest.raises(InterfaceError, match=r"0\.\.230"):
        open_domain("lo", domain_id)


def test_a_domain_is_joined_once_and_can_be_joined_again_after_closing(domain_id):
    with open_domain("lo", domain_id):
        with pytest.raises(InterfaceError, match="cannot join DDS domain"):
            open_domain("lo", domain_id)
    with open_domain("lo", domain_id) as again:
        assert again.participant is not None
    with pytest.raises(InterfaceError, match="closed"):
        channels.Publisher(again, channels.LOWCMD)


def test_a_subscriber_closes_under_a_flood_of_samples(domain):
    """Deleting a reader while its callback runs must neither hang nor crash."""
    publisher = channels.Publisher(domain, channels.LOWCMD)
    command, stop = JointCommand.damping(5.0), threading.Event()

    def flood() -> None:
        while not stop.is_set():
            publisher.publish(command)

    flooding = threading.Thread(target=flood, daemon=True)
    flooding.start()
    for _ in range(10):
        subscriber = channels.Subscriber(domain, channels.LOWCMD)
        assert subscriber.wait(WAIT) is not None
        closing = threading.Thread(target=subscriber.close, daemon=True)
        closing.start()
        closing.join(WAIT)
        assert not closing.is_alive()
    stop.set()
    flooding.join(WAIT)
    publisher.close()


def test_a_tap_stamps_what_passes_and_leaves_it_as_it_is(domain):
    tap = channels.Tap(domain, channels.LOWCMD)
    publisher = channels.Publisher(domain, channels.LOWCMD)
    try:
        before = time.time_ns()
        publisher.publish(JointCommand.damping(3.0))
        sample = tap.wait(WAIT)
        assert sample is not None
        assert before <= sample.sent <= sample.received <= time.time_ns()
        assert channels.LOWCMD.decode(sample.data, 0.0).kd.tolist() == [3.0] * 12
    finally:
        tap.close()
        publisher.close()


def test_endpoints_that_appear_while_they_are_counted_are_counted_again():
    answers = [IndexError("invalid index"), IndexError("invalid index"), [4, 5]]

    def ask() -> list[int]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert participants.matched(ask) == [4, 5] and not answers
