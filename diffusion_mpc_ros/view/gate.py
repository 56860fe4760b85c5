"""Who may open the view: decided by the head of an HTTP request, before anything behind the door has read a byte.

On the loopback the machine is the fence, as for the ROS topics: whoever has a process there may come in. A web page of
somebody else, opened in a browser of this machine, is no such process: it is told by ``Host`` and ``Origin``. Elsewhere
a token is needed as well, once in the address, then in a cookie.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

# The head of a request is no longer than this [bytes].
MAX_HEAD = 16_384
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
END = b"\r\n\r\n"


@dataclass(frozen=True)
class Rules:
    """``token``: what has to be known, "" for nothing; ``names``: valid names in ``Host``, empty for any name.

    ``cookie``: its name, another one for each port, because browsers send a host's cookies to all ports of it.
    """

    token: str
    names: frozenset[str]
    cookie: str


@dataclass(frozen=True)
class Refusal:
    """An answer that ends the connection: its status line, further headers, and a text."""

    status: str
    text: str
    headers: Mapping[str, str]

    def response(self) -> bytes:
        """As it is sent."""
        body = f"{self.text}\n".encode()
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Connection": "close",
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + END + body


def judge(head: bytes, rules: Rules) -> Refusal | None:
    """Return why a request with this ``head`` (request line and headers) is refused, or None: it may pass."""
    parsed = _parse(head)
    if parsed is None:
        return _refuse("400 Bad Request", "this is no HTTP request")
    target, headers = parsed
    host = headers.get("host", "").lower()
    name = urlsplit(f"//{host}").hostname if host else None
    if not name or (rules.names and name not in rules.names):
        return _refuse("403 Forbidden", f"this view answers to {', '.join(sorted(rules.names)) or 'its own name'} only")
    if "upgrade" in headers and urlsplit(headers.get("origin", "").lower()).netloc != host:
        return _refuse("403 Forbidden", "a page of another origin may not use this view")
    return _check_token(target, headers, rules) if rules.token else None


def _check_token(target: str, headers: Mapping[str, str], rules: Rules) -> Refusal | None:
    given = parse_qs(urlsplit(target).query).get("token", [""])[-1]
    if _same(given, rules.token):
        cookie = f"{rules.cookie}={rules.token}; Path=/; HttpOnly; SameSite=Strict"
        return Refusal("303 See Other", "the token is kept as a cookie", {"Location": "/", "Set-Cookie": cookie})
    try:
        kept = SimpleCookie(headers.get("cookie", "")).get(rules.cookie)
    except CookieError:
        kept = None
    if kept is not None and _same(kept.value, rules.token):
        return None
    return _refuse("403 Forbidden", "this view needs a token: open the address that it printed when it started")


def _same(given: str, token: str) -> bool:
    """Compare in a time that tells nothing of how much is right."""
    return hmac.compare_digest(given.encode(), token.encode())


def _refuse(status: str, text: str) -> Refusal:
    return Refusal(status, text, {})


def _parse(head: bytes) -> tuple[str, dict[str, str]] | None:
    """The target and the headers, their names in lower case; None for what is no GET, or says something twice."""
    try:
        request, *lines = head.removesuffix(END).decode("latin-1").split("\r\n")
        method, target, version = request.split(" ")
        pairs = [line.split(":", 1) for line in lines]
        headers = {name.lower(): value.strip() for name, value in pairs}
        urlsplit(f"//{headers.get('host', '')}").hostname  # noqa: B018 - raises for a broken one
        urlsplit(headers.get("origin", ""))
    except ValueError:
        return None
    whole = method == "GET" and version == "HTTP/1.1" and target.startswith("/") and len(headers) == len(pairs)
    return (target, headers) if whole else None
