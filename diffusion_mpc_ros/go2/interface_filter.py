"""Keeps the DDS library's sockets to one network interface.

CycloneDDS (11.0.1, ``ddsi_udp_create_conn``) binds every receiving socket to all addresses, whatever interface it is
configured for, and has no setting that binds them narrower. A socket filter in the kernel drops what came in through
any other interface, before the library sees it. It needs no privilege.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct

LOOPBACK = "lo"
_SO_ATTACH_FILTER = 26
# Classic BPF (linux/filter.h): load the index of the interface that the packet came in through, compare, return.
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_INTERFACE_INDEX = 0xFFFFF000 + 8
_WHOLE_PACKET, _DROP = 0xFFFFFFFF, 0


def open_sockets() -> set[int]:
    """Return the file descriptors of this process that are sockets."""
    return {int(name) for name in os.listdir("/proc/self/fd") if _target(name).startswith("socket:")}


def confine(descriptors: set[int], network_interface: str) -> list[int]:
    """Let those of ``descriptors`` that are UDP sockets bound to all addresses receive from ``network_interface`` only.

    Also from the loopback, over which Linux sends what one process of this machine sends another, whatever the address.
    The confined ports. Raises OSError for an unknown interface, or where the kernel takes no filter.
    """
    program = _program({socket.if_nametoindex(name) for name in (LOOPBACK, network_interface)})
    ports = []
    for descriptor in sorted(descriptors):
        try:
            duplicate = socket.socket(fileno=os.dup(descriptor))
        except OSError:  # closed since
            continue
        with duplicate:
            if duplicate.family != socket.AF_INET or duplicate.type != socket.SOCK_DGRAM:
                continue
            address, port = duplicate.getsockname()
            if address == "0.0.0.0":
                buffer = ctypes.create_string_buffer(program, len(program))
                filter_program = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
                duplicate.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_program)
                ports.append(port)
    return ports


def _program(interfaces: set[int]) -> bytes:
    """Accept what came in through one of ``interfaces`` (indices): one comparison each, then drop, then accept."""
    comparisons = [
        # Jumps are relative to the next instruction: over the comparisons that are left and the drop.
        (_JUMP_IF_EQUAL, len(interfaces) - number, 0, interface)
        for number, interface in enumerate(sorted(interfaces))
    ]
    instructions = [
        (_LOAD_WORD, 0, 0, _INTERFACE_INDEX),
        *comparisons,
        (_RETURN, 0, 0, _DROP),
        (_RETURN, 0, 0, _WHOLE_PACKET),
    ]
    return b"".join(struct.pack("@HBBI", *instruction) for instruction in instructions)


def _target(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:  # closed since
        return ""
