"""The door on real sockets: good requests reach the server behind it, others do not, and the port is told of."""

from __future__ import annotations

import asyncio

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.view.door import Door, hidden_address

GOOD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def through(door: Door, request: bytes, *, token: str = "") -> bytes:
    """What comes back for ``request`` with a server behind the door that repeats what it hears."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"heard " + await reader.read(1000))
        await writer.drain()
        writer.close()

    async def run() -> bytes:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        await door.open(server.sockets[0].getsockname()[:2])
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(request)
        reply = await asyncio.wait_for(reader.read(), 10.0)
        writer.close()
        await door.close()
        server.close()
        return reply

    return asyncio.run(run())


def test_a_good_request_passes_as_it_is():
    assert through(Door("127.0.0.1", 0), GOOD) == b"heard " + GOOD


def test_a_refused_one_does_not():
    reply = through(Door("127.0.0.1", 0), GOOD.replace(b"127.0.0.1", b"evil.example"))
    assert reply.startswith(b"HTTP/1.1 403") and b"heard" not in reply


def test_a_head_that_does_not_end_is_dropped():
    assert through(Door("127.0.0.1", 0), b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000) == b""


def test_only_the_loopback_is_open_without_a_token():
    assert Door("127.0.0.1", 0).token == ""
    door, other = Door("0.0.0.0", 0), Door("0.0.0.0", 0)
    assert len(door.token) >= 32 and door.token != other.token
    reply = through(door, GOOD)
    assert reply.startswith(b"HTTP/1.1 403") and door.token.encode() not in reply


def test_an_address_or_a_port_that_cannot_be_had_is_told_of():
    with pytest.raises(ConfigurationError, match="'robot' is no IP address"):
        Door("robot", 0)
    taken = Door("127.0.0.1", 0)
    with pytest.raises(ConfigurationError, match=rf"cannot listen at 127.0.0.1, port {taken.port}: .*another --port"):
        Door("127.0.0.1", taken.port)


def test_what_is_behind_the_door_has_another_address_each_time():
    addresses = {hidden_address() for _ in range(4)}
    assert len(addresses) == 4 and all(address.startswith("127.") for address in addresses)
