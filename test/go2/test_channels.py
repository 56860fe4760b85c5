"""DDS on the loopback: between processes, within one, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.go2 import channels, sdk

WAIT = 20.0
ROOT = Path(__file__).parents[2]
# One DDS domain for this test run, away from the robot's 0 and the simulator's 1.
DOMAIN = 100 + os.getpid() % 100


@pytest.fixture
def domain():
    with channels.open_domain("lo", DOMAIN) as opened:
        yield opened


def test_two_processes_exchange_states_and_commands(domain):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    peer = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("dds_peer.py")), str(DOMAIN)],
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
        assert state.crc_ok and state.joint_pos.tolist() == list(range(12))
        assert states.num_publishers() == 1
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
    received = threading.Event()
    topic = sdk.Topic(domain.participant, channels.LOWCMD.topic, sdk.LowCmd_)
    reader = sdk.DataReader(
        domain.participant, topic, listener=sdk.Listener(on_data_available=lambda _: received.set())
    )
    writer = sdk.DataWriter(domain.participant, topic)
    publisher = channels.Publisher(domain, channels.LOWCMD)
    subscriber = channels.Subscriber(domain, channels.LOWCMD)
    try:
        publisher.publish(JointCommand.damping(3.0))
        assert received.wait(WAIT)
        message = reader.take(1)[0]
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
        channels.open_domain("eth99", DOMAIN)


@pytest.mark.parametrize("domain_id", [-1, 231])
def test_a_domain_id_out_of_range_is_refused(domain_id):
    with pytest.raises(InterfaceError, match=r"0\.\.230"):
        channels.open_domain("lo", domain_id)


def test_a_domain_is_joined_once_and_can_be_joined_again_after_closing():
    with channels.open_domain("lo", DOMAIN):
        with pytest.raises(InterfaceError, match="cannot join DDS domain"):
            channels.open_domain("lo", DOMAIN)
    with channels.open_domain("lo", DOMAIN) as again:
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
