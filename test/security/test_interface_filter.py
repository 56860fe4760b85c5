"""Which packets reach a confined socket, and that the DDS library's sockets are confined."""

from __future__ import annotations

import ctypes
import os
import socket

import pytest

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.go2 import interface_filter
from diffusion_mpc_ros.go2.domain import open_domain

# Two sockets bound to all addresses, the first confined to the cable "robot"; what each received by the end.
RECEIVER = """
import socket
from diffusion_mpc_ros.go2 import interface_filter
sockets = []
for confined in (True, False):
    before = interface_filter.open_sockets()
    sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sockets[-1].bind(("", 0))
    if confined:
        interface_filter.confine(interface_filter.open_sockets() - before, "robot")
print(*(each.getsockname()[1] for each in sockets))
for port in (each.getsockname()[1] for each in sockets):
    for address in ("127.0.0.1", "10.77.1.1", "10.77.2.1"):
        sockets[0].sendto(b"local:" + address.encode(), (address, port))
for each in sockets:
    received = []
    while not received or received[-1] != "last":
        received.append(each.recv(100).decode())
    print(*received)
"""
SENDER = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    for port in map(int, sys.argv[1:]):
        sender.sendto(b"office", ("10.77.2.1", port))
        sender.sendto(b"robot", ("10.77.1.1", port))
        sender.sendto(b"last", ("10.77.1.1", port))
"""


def test_only_the_named_interface_and_this_machine_itself_are_heard(hosts):
    first, second = hosts
    receiver = first.python(RECEIVER)
    ports = receiver.stdout.readline().split()
    local = ["local:127.0.0.1", "local:10.77.1.1", "local:10.77.2.1"]
    assert second.python(SENDER, *ports).wait(60.0) == 0
    confined, unconfined = (line.split() for line in receiver.communicate(timeout=60.0)[0].splitlines())
    assert unconfined == [*local, "office", "robot", "last"]
    assert confined == [*local, "robot", "last"]


def filter_length(descriptor: int) -> int:
    """Instructions of the filter attached to a socket of this process; 0 for none (SO_GET_FILTER, socket(7))."""
    length = ctypes.c_uint32(0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getsockopt(descriptor, socket.SOL_SOCKET, 26, None, ctypes.byref(length)) != 0:
        raise OSError(ctypes.get_errno(), "SO_GET_FILTER")
    return length.value


def test_every_wildcard_socket_of_the_robots_domain_is_confined(free_domain):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 0))
        before = interface_filter.open_sockets()
        domain = free_domain()
        with open_domain("lo", domain):
            own = {}
            for descriptor in interface_filter.open_sockets() - before:
                with socket.socket(fileno=os.dup(descriptor)) as duplicate:
                    if duplicate.family == socket.AF_INET:
                        own[duplicate.getsockname()] = filter_length(descriptor)
        wildcard = {port: length for (address, port), length in own.items() if address == "0.0.0.0"}
        assert {7410 + 250 * domain, 7411 + 250 * domain} <= set(wildcard)
        # Load, one comparison (lo), drop, accept.
        assert set(wildcard.values()) == {4}
        assert {address for address, _ in own} == {"0.0.0.0", "127.0.0.1"}
        assert filter_length(other.fileno()) == 0


def test_a_domain_that_cannot_be_confined_is_not_joined(free_domain, monkeypatch):
    def refuse(*_):
        raise OSError(92, "Protocol not available")

    monkeypatch.setattr(interface_filter, "confine", refuse)
    with pytest.raises(InterfaceError, match="cannot confine DDS domain .* to 'lo': .*Protocol not available"):
        open_domain("lo", free_domain())
