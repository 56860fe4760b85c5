"""The door of the view: takes TCP connections, lets :mod:`gate` judge them, and joins the good ones to the server."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.view.gate import END, LOOPBACK_NAMES, MAX_HEAD, Refusal, Rules, judge

# So long [s] may the head of a request take; so many connections may wait for theirs, and so many be let in, at once.
HEAD_TIMEOUT, MAX_UNJUDGED, MAX_CONNECTIONS = 10.0, 64, 64
CHUNK = 65_536
TOKEN_BYTES = 24


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches ``address``; raises ConfigurationError for what is no IP address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        raise ConfigurationError(
            f"address {address!r} is no IP address: 127.0.0.1 for this machine alone, 0.0.0.0 for every network"
        ) from None


def hidden_address() -> str:
    """Return an address of the loopback that nobody guesses, for the server behind the door.

    Linux has the whole of 127.0.0.0/8. With a port of the system's choice it cannot be searched for by a web page.
    """
    parts = (secrets.randbelow(254) + 1 for _ in range(3))
    address = "127." + ".".join(map(str, parts))
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            raise ConfigurationError(
                f"the view needs an address of 127.0.0.0/8, {address} is not here: {error}"
            ) from None
    return address


class Door:
    """Listens at ``address`` and ``port`` (0: any); lives in the loop that opens it."""

    def __init__(self, address: str, port: int) -> None:
        """Raise ConfigurationError when the port cannot be had."""
        local = is_loopback(address)
        self.address = address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            self._socket = socket.create_server((address, port), family=family)
        except OSError as error:
            raise ConfigurationError(
                f"the view cannot listen at {address}, port {port}: {error}; give another --port"
            ) from None
        self.port = self._socket.getsockname()[1]
        self.token = "" if local else secrets.token_urlsafe(TOKEN_BYTES)
        self._rules = Rules(self.token, LOOPBACK_NAMES if local else frozenset(), f"diffusion_mpc_view_{self.port}")
        # Oldest first.
        self._unjudged: dict[asyncio.StreamWriter, None] = {}
        self._admitted = 0
        self._inner: tuple[str, int] | None = None
        self._server: asyncio.Server | None = None

    async def open(self, inner: tuple[str, int]) -> None:
        """Begin to take connections for the server at ``inner``."""
        self._inner = inner
        self._server = await asyncio.start_server(self._take, sock=self._socket, limit=MAX_HEAD)

    async def close(self) -> None:
        """Take none any more."""
        if self._server is not None:
            self._server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._unjudged[writer] = None
        if len(self._unjudged) > MAX_UNJUDGED:
            # Who has not said yet what it wants takes no place of a browser that is known.
            oldest = next(iter(self._unjudged))
            del self._unjudged[oldest]
            oldest.transport.abort()
        # Whoever hangs up, on either side and whenever, ends this connection and nothing else.
        try:
            with contextlib.suppress(
                OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError
            ):
                await self._judge(reader, writer)
        finally:
            self._unjudged.pop(writer, None)
            writer.close()

    async def _judge(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(END), HEAD_TIMEOUT)
        self._unjudged.pop(writer, None)
        refusal = judge(head, self._rules)
        if refusal is None and self._admitted >= MAX_CONNECTIONS:
            refusal = Refusal("503 Service Unavailable", "too many browsers are connected", {})
        if refusal is not None:
            writer.write(refusal.response())
            await writer.drain()
            return
        self._admitted += 1
        try:
            await self._admit(head, reader, writer)
        finally:
            self._admitted -= 1

    async def _admit(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*self._inner)
        inner_writer.write(head)
        try:
            await _join(reader, writer, inner_reader, inner_writer)
        finally:
            inner_writer.close()


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    inner_reader: asyncio.StreamReader,
    inner_writer: asyncio.StreamWriter,
) -> None:
    """Pass everything on in both directions until one of them ends."""
    tasks = [asyncio.create_task(_pass(reader, inner_writer)), asyncio.create_task(_pass(inner_reader, writer))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
