"""What doctor says of network cards, multicast and receive buffers."""

from __future__ import annotations

import dataclasses
import socket
from ipaddress import IPv4Address

import pytest

from diffusion_mpc_ros.commands.doctor import network
from diffusion_mpc_ros.commands.doctor.findings import Status
from diffusion_mpc_ros.commands.doctor.network import Card

LOOPBACK = Card("lo", loopback=True, multicast=False, addresses=(IPv4Address("127.0.0.1"),))
OFFICE = Card("wlan0", addresses=(IPv4Address("10.0.0.7"),))
# The robot's network beside another one on the same card.
WIRED = Card("eth0", addresses=(IPv4Address("10.1.0.2"), IPv4Address("192.168.123.99")))


def cards(*some: Card) -> dict[str, Card]:
    return {card.name: card for card in some}


def test_a_card_on_the_robots_network_and_the_loopback_are_ok():
    there = cards(LOOPBACK, OFFICE, WIRED)
    assert network.judge_interface("eth0", there, robot=True).status is Status.OK
    loopback = network.judge_interface("lo", there, robot=False)
    assert loopback.status is Status.OK and "simulation" in loopback.text


@pytest.mark.parametrize(
    ("card", "status", "finding", "remedy"),
    [
        (Card("eth0", up=False), Status.BAD, "switched off", "sudo ip link set eth0 up"),
        (Card("eth0", connected=False), Status.BAD, "no link", "plug in the cable"),
        (Card("eth0"), Status.BAD, "no IPv4 address", "sudo ip addr add 192.168.123.99/24 dev eth0"),
        (
            Card("eth0", addresses=(IPv4Address("192.168.124.99"),)),
            Status.WARNING,
            "eth0 (192.168.124.99) is not on 192.168.123.0/24",
            "sudo ip addr add 192.168.123.99/24 dev eth0",
        ),
    ],
)
def test_a_card_that_does_not_reach_the_robot_comes_with_the_command_that_mends_it(card, status, finding, remedy):
    found = network.judge_interface("eth0", cards(LOOPBACK, card), robot=True)
    assert found.status is status and finding in found.text and remedy in found.remedy


def test_an_unknown_card_is_bad_and_every_card_is_named():
    found = network.judge_interface("eth7", cards(LOOPBACK, Card("dummy0", up=False), OFFICE), robot=True)
    assert found.status is Status.BAD and "'eth7' does not exist" in found.text
    assert "lo (127.0.0.1), dummy0 (no IPv4 address), wlan0 (10.0.0.7)" in found.text
    # The one that is up and has an address, rather than the first.
    assert found.remedy == "diffusion-mpc doctor --network-interface wlan0"


def test_the_one_card_on_the_robots_network_is_chosen():
    assert network.robot_card(cards(LOOPBACK, OFFICE, WIRED)) == "eth0"
    assert network.robot_card(cards(LOOPBACK, OFFICE)) == ""
    second = Card("eth1", addresses=(IPv4Address("192.168.123.18"),))
    assert network.robot_card(cards(LOOPBACK, WIRED, second)) == ""
    found = network.judge_interface("", cards(LOOPBACK, OFFICE), robot=True)
    assert found.status is Status.BAD and "--network-interface wlan0" in found.remedy


def test_this_machines_own_cards():
    there = network.read_cards()
    assert set(there) == {name for _, name in socket.if_nameindex()}
    assert there["lo"].loopback and there["lo"].up and there["lo"].connected
    assert IPv4Address("127.0.0.1") in there["lo"].addresses


def test_an_address_that_refuses_is_reached_and_one_without_a_host_is_not():
    own = IPv4Address("127.0.0.1")
    assert network.reaches(own, own)
    # Class E: nobody routes to it.
    assert not network.reaches(own, IPv4Address("240.0.0.1"))
    assert network.judge_reach(True, "eth0").status is Status.OK
    silent = network.judge_reach(False, "eth0")
    assert silent.status is Status.WARNING and "192.168.123.161" in silent.text
    assert "switch the robot on" in silent.remedy


def test_multicast():
    assert network.judge_multicast(WIRED, True).status is Status.OK
    off = network.judge_multicast(Card("eth0", multicast=False), False)
    assert (off.status, off.remedy) == (Status.BAD, "sudo ip link set eth0 multicast on")
    dropped = network.judge_multicast(WIRED, False)
    assert dropped.status is Status.BAD and "firewall" in dropped.text and "-i eth0" in dropped.remedy


def test_multicast_on_the_loopback_lets_programs_of_the_sdk_be_found():
    on = network.judge_loopback_multicast(dataclasses.replace(LOOPBACK, multicast=True))
    assert on.status is Status.OK and "Unitree" in on.text
    off = network.judge_loopback_multicast(LOOPBACK)
    assert (off.status, off.remedy) == (Status.SKIPPED, "sudo ip link set lo multicast on")


def test_a_multicast_datagram_returns_where_a_card_has_multicast_and_not_from_an_address_that_is_not_here():
    connected = [card for card in network.read_cards().values() if card.up and card.connected and card.addresses]
    for card in (card for card in connected if card.multicast):
        assert network.multicast_returns(card.addresses[0])
    # TEST-NET-2: no card of any machine has it.
    assert not network.multicast_returns(IPv4Address("198.51.100.1"))


@pytest.mark.parametrize(
    ("rmem_max", "status", "held"),
    [
        # 2 * 2**20 / 2315 / 500 Hz; the library asks for no more.
        (2**23, Status.OK, "1.81 s"),
        # The kernel's default: 2 * 212992 / 2315 / 500 Hz.
        (212_992, Status.OK, "0.37 s"),
        # 0.2 s are 100 LowStates, 231500 bytes as the kernel counts them, asked for as half of it.
        (115_750, Status.OK, "0.20 s"),
        (115_000, Status.WARNING, "0.20 s"),
        (16_384, Status.WARNING, "0.03 s"),
    ],
)
def test_receive_buffer(rmem_max, status, held):
    found = network.judge_receive_buffer(rmem_max)
    assert found.status is status and held in found.text
    assert ("sudo sysctl -w net.core.rmem_max=1048576" == found.remedy) == (status is Status.WARNING)
