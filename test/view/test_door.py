"""The door on real sockets: good requests reach the server behind it, others do not, and the port is told of."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.view.door import MAX_CONNECTIONS, MAX_UNJUDGED, Door, hidden_address

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


async def connect(door: Door, request: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has said ``request``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(request)
    return reader, writer


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that says that it listens, until the other side hangs up."""
    writer.write(b"listening")
    await reader.read()
    writer.close()


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Door]:
    """A door with such a server behind it; every connection of the test is closed behind it."""
    door = Door("127.0.0.1", 0)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    await door.open(server.sockets[0].getsockname()[:2])
    yield door
    await door.close()
    server.close()


async def hears(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(100), 10.0)


def test_whoever_says_nothing_takes_no_place_of_a_browser():
    async def run() -> None:
        async with opened() as door:
            idle = [await connect(door) for _ in range(MAX_UNJUDGED + 10)]
            # The oldest are hung up on.
            assert [await hears(reader) for reader, _ in idle[:10]] == [b""] * 10
            good, writer = await connect(door, GOOD)
            assert await hears(good) == b"listening"
            for _, each in (*idle, (good, writer)):
                each.close()

    asyncio.run(run())


def test_no_more_are_let_in_than_there_are_places():
    async def run() -> None:
        async with opened() as door:
            browsers = [await connect(door, GOOD) for _ in range(MAX_CONNECTIONS)]
            assert [await hears(reader) for reader, _ in browsers] == [b"listening"] * MAX_CONNECTIONS
            refused = await connect(door, GOOD)
            assert (await hears(refused[0])).startswith(b"HTTP/1.1 503")
            # One that leaves makes room.
            browsers.pop()[1].close()
            deadline = time.monotonic() + 10.0
            while True:
                browsers.append(await connect(door, GOOD))
                if (answer := await hears(browsers[-1][0])) == b"listening":
                    break
                assert answer.startswith(b"HTTP/1.1 503") and time.monotonic() < deadline
            browsers.append(refused)
            for _, writer in browsers:
                writer.close()

    asyncio.run(run())


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
