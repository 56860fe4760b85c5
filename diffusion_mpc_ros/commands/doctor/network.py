"""The network card of the robot's topics: is it there, does it reach the robot, does multicast work on it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import psutil

from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import Finding, bad, ok, skipped, warning

ROBOT_NETWORK = IPv4Network("192.168.123.0/24")
ROBOT_ADDRESS = IPv4Address("192.168.123.161")
# An address there that neither the robot nor its own computers have.
OWN_ADDRESS = "192.168.123.99/24"

# A group of the administratively scoped range that DDS does not use; it stays on the local network.
_TEST_GROUP, _TEST_TIMEOUT = "239.255.123.7", 0.4
_REACH_PORT, _REACH_TIMEOUT = 22, 0.8
_ARP_COMPLETE = 0x2

# The DDS library asks for receive buffers of so many bytes and takes what the kernel grants; the kernel counts each
# datagram of a LowState (1.2 kB) as 2315 bytes and doubles the size that is asked for (measured, Linux 6).
_WANTED_BUFFER, _DATAGRAM_BYTES, _LOWSTATE_RATE = 2**20, 2315, 500.0
# A process that is held up for so long [s] must not lose LowStates.
MIN_BUFFERED = 0.2


@dataclass(frozen=True)
class Card:
    """One network interface: switched on, connected, able to multicast, this machine's own loopback, addresses."""

    name: str
    up: bool = True
    connected: bool = True
    multicast: bool = True
    loopback: bool = False
    addresses: tuple[IPv4Address, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(map(str, self.addresses)) or 'no IPv4 address'})"

    @property
    def robot_network_address(self) -> IPv4Address | None:
        """The address on the robot's network, or None."""
        return next((address for address in self.addresses if address in ROBOT_NETWORK), None)


def read_cards() -> dict[str, Card]:
    """Return this machine's network interfaces by name."""
    addresses: dict[str, tuple[IPv4Address, ...]] = {}
    for label, entries in psutil.net_if_addrs().items():
        name = label.partition(":")[0]  # of an alias (eth0:1), the card
        found = (IPv4Address(entry.address) for entry in entries if entry.family == socket.AF_INET)
        addresses[name] = (*addresses.get(name, ()), *found)
    cards = {}
    for name, state in psutil.net_if_stats().items():
        flags = state.flags.split(",")
        states = ("up" in flags, "running" in flags, "multicast" in flags, "loopback" in flags)
        cards[name] = Card(name, *states, addresses.get(name, ()))
    return cards


def robot_card(cards: Mapping[str, Card]) -> str:
    """Name of the one card on the robot's network; ``""`` when there is none or more than one."""
    names = [card.name for card in cards.values() if card.robot_network_address is not None]
    return names[0] if len(names) == 1 else ""


def likely_card(cards: Mapping[str, Card]) -> str:
    """Name of the card that the robot may be meant to be on, for an example; ``CARD`` when there is none."""
    candidates = [card for card in cards.values() if not card.loopback]
    candidates.sort(key=lambda card: (not card.up, not card.connected, not card.addresses))
    return candidates[0].name if candidates else "CARD"


def check_interface(context: Context) -> Finding:
    """Return the card that was asked for."""
    return judge_interface(context.network_interface, read_cards(), context.robot)


def judge_interface(name: str, cards: Mapping[str, Card], robot: bool) -> Finding:
    """Is card ``name`` among ``cards`` fit for the robot's topics."""
    there = ", ".join(map(str, cards.values()))
    wired = likely_card(cards)
    give_address = f"sudo ip addr add {OWN_ADDRESS} dev {name or wired}"
    if not name:
        return bad(
            f"not exactly one card is on {ROBOT_NETWORK}, the robot's network; there is {there}",
            f"connect the robot by cable, give that card an address ({give_address}), or name the card: "
            f"diffusion-mpc doctor --network-interface {wired}",
        )
    if name not in cards:
        return bad(f"{name!r} does not exist; there is {there}", f"diffusion-mpc doctor --network-interface {wired}")
    card = cards[name]
    if not card.up:
        return bad(f"{card} is switched off", f"sudo ip link set {name} up")
    if card.loopback:
        return ok(f"{card}, the loopback: simulation on this machine")
    if not card.connected:
        return bad(f"{card} has no link", "plug in the cable, switch the robot on")
    if not card.addresses:
        return bad(f"{card} has no IPv4 address", give_address)
    if card.robot_network_address is None:
        return warning(f"{card} is not on {ROBOT_NETWORK}, the robot's network; there is {there}", give_address)
    return ok(f"{card}, on the robot's network")


def check_reach(context: Context) -> Finding:
    """Tell whether the robot's address answers."""
    card = read_cards()[context.network_interface]
    if card.loopback:
        return skipped("on the loopback there is no robot")
    own = card.robot_network_address
    if own is None:
        return skipped(f"{card} is not on {ROBOT_NETWORK}")
    return judge_reach(reaches(own, ROBOT_ADDRESS), card.name)


def judge_reach(reached: bool, name: str) -> Finding:
    """``reached``: something at the robot's address answers through card ``name``."""
    if reached:
        return ok(f"{ROBOT_ADDRESS} answers")
    return warning(
        f"nothing answers at {ROBOT_ADDRESS} through {name}",
        f"switch the robot on and wait a minute; is its cable in {name}?",
    )


def reaches(own: IPv4Address, address: IPv4Address) -> bool:
    """Whether ``address`` accepts or refuses a TCP connection from ``own``, or at least answers ARP."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(_REACH_TIMEOUT)
        try:
            probe.bind((str(own), 0))
            probe.connect((str(address), _REACH_PORT))
            return True
        except ConnectionRefusedError:
            return True
        except OSError:  # no answer in time, no route
            return _answers_arp(address)


def check_multicast(context: Context) -> Finding:
    """Tell whether multicast works on the card."""
    card = read_cards()[context.network_interface]
    if card.loopback:
        return judge_loopback_multicast(card)
    return judge_multicast(card, card.multicast and multicast_returns(card.addresses[0]))


def judge_multicast(card: Card, returned: bool) -> Finding:
    """Judge whether ``returned``: a datagram sent to a multicast group through the card came back."""
    if not card.multicast:
        remedy = f"sudo ip link set {card.name} multicast on"
        return bad(f"{card.name} has no multicast; the robot is found by it", remedy)
    if not returned:
        return bad(
            f"a multicast datagram sent through {card.name} does not come back: a firewall drops it",
            f"sudo iptables -I INPUT -i {card.name} -d 224.0.0.0/4 -j ACCEPT",
        )
    return ok(f"a datagram sent through {card.name} to a multicast group comes back")


def judge_loopback_multicast(card: Card) -> Finding:
    """Can programs that find each other by multicast alone be heard on the loopback."""
    if card.multicast:
        return ok(f"on: Unitree's simulator and SDK programs on {card.name} are found as well")
    return skipped(
        f"off on {card.name}: this controller and its simulator do without, Unitree's simulator and SDK programs may "
        "not be found",
        f"sudo ip link set {card.name} multicast on",
    )


def multicast_returns(address: IPv4Address) -> bool:
    """Join a group on the card with ``address``, send a datagram to it there, and wait for it."""
    interface = address.packed
    token = os.urandom(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            try:
                receiver.bind((_TEST_GROUP, 0))
                receiver.settimeout(_TEST_TIMEOUT)
                group = socket.inet_aton(_TEST_GROUP) + interface
                receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
                sender.sendto(token, receiver.getsockname())
                return receiver.recv(len(token)) == token
            except OSError:  # the kernel refuses, or nothing came in time
                return False


def check_receive_buffer(_: Context) -> Finding:
    """How long LowStates are kept for a process that is held up."""
    path = Path("/proc/sys/net/core/rmem_max")
    return judge_receive_buffer(int(path.read_text())) if path.exists() else skipped(f"{path} is not readable here")


def judge_receive_buffer(rmem_max: int) -> Finding:
    """``rmem_max`` [bytes]: what the kernel grants a socket that asks for more."""
    held = 2 * min(rmem_max, _WANTED_BUFFER) / _DATAGRAM_BYTES / _LOWSTATE_RATE
    text = f"net.core.rmem_max = {rmem_max} holds {held:.2f} s of rt/lowstate"
    if held >= MIN_BUFFERED:
        return ok(text)
    return warning(f"{text}, {MIN_BUFFERED} s are needed", f"sudo sysctl -w net.core.rmem_max={_WANTED_BUFFER}")


def _answers_arp(address: IPv4Address) -> bool:
    """Whether the kernel knows the hardware address behind ``address``: what it looked for when it tried to connect."""
    lines = Path("/proc/net/arp").read_text().splitlines()[1:]
    entries = {fields[0]: int(fields[2], 16) for fields in map(str.split, lines)}
    return bool(entries.get(str(address), 0) & _ARP_COMPLETE)
