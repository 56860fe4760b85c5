"""Publishers of a topic, by label and process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.go2.participants import TopicPublisher, topic_publishers

PEER = Path(__file__).with_name("dds_peer.py")
WAIT = 60.0


def test_publishers_of_this_process(free_domain):
    with open_domain("lo", free_domain()) as domain:
        assert topic_publishers(domain.participant, LOWCMD.topic) == []
        with closing(Publisher(domain, LOWCMD, "one's own")), closing(Publisher(domain, LOWCMD)):
            with closing(Publisher(domain, LOWSTATE, "another topic")):
                found = topic_publishers(domain.participant, LOWCMD.topic)
        assert sorted(publisher.label for publisher in found) == ["", "one's own"]
        assert {(publisher.host, publisher.pid) for publisher in found} == {(socket.gethostname(), str(os.getpid()))}
        assert topic_publishers(domain.participant, LOWCMD.topic) == []


def test_a_publisher_of_another_process(free_domain):
    number = free_domain()
    with subprocess.Popen([sys.executable, PEER, str(number), "the peer"], stdout=subprocess.PIPE) as peer:
        with open_domain("lo", number) as domain, closing(Subscriber(domain, LOWSTATE)) as subscriber:
            assert subscriber.wait(WAIT) is not None
            found = topic_publishers(domain.participant, LOWSTATE.topic)
        peer.kill()
    assert [(publisher.label, publisher.host, publisher.pid) for publisher in found] == [
        ("the peer", socket.gethostname(), str(peer.pid))
    ]
    assert str(found[0]).endswith(f"(pid {peer.pid} on {socket.gethostname()})")
    assert str(TopicPublisher()) == "a program that does not say its name"
