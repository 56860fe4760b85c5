"""Who may open the view: by name, origin and token, judged from the head of a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.view.gate import LOOPBACK_NAMES, Rules, judge

LOCAL = Rules("", LOOPBACK_NAMES, "view_8080")
OPEN = Rules("secret-token", frozenset(), "view_8080")


def head(target: str = "/", method: str = "GET", version: str = "HTTP/1.1", **headers: str) -> bytes:
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def socket(origin: str, host: str = "127.0.0.1:8080", **headers: str) -> bytes:
    return head(Host=host, Upgrade="websocket", Origin=origin, **headers)


@pytest.mark.parametrize(
    "request_head",
    [
        head(Host="127.0.0.1:8080"),
        head(Host="LocalHost:8080"),
        head(Host="[::1]:8080"),
        # Through a tunnel, which has another port on this side.
        socket("http://localhost:9000", "localhost:9000"),
    ],
)
def test_a_browser_of_this_machine_may_come_in(request_head):
    assert judge(request_head, LOCAL) is None


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head(Host="evil.example:8080"), "403"),  # a name that was made to point here
        (head(Host="127.0.0.1.evil.example"), "403"),
        (head(), "403"),
        (socket("http://evil.example"), "403"),
        (socket("http://127.0.0.1:9999"), "403"),  # another server of this machine
        (socket("null"), "403"),
        (head(Host="127.0.0.1:8080", Upgrade="websocket"), "403"),
        (head(Host="[::1"), "400"),
        (head(Host="127.0.0.1", method="POST"), "400"),
        (head(Host="127.0.0.1", version="HTTP/1.0"), "400"),
        (head("http://127.0.0.1/", Host="127.0.0.1"), "400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nhost: evil.example\r\n\r\n", "400"),
        (b"\x16\x03\x01\r\n\r\n", "400"),
    ],
)
def test_pages_of_others_and_nonsense_are_refused(request_head, status):
    refusal = judge(request_head, LOCAL)
    assert refusal.status.startswith(status)
    assert refusal.response().startswith(f"HTTP/1.1 {status}".encode())


def test_elsewhere_a_token_is_needed_and_kept_as_a_cookie():
    host = {"Host": "robot.lan:8080"}
    assert judge(head(**host), OPEN).status == "403 Forbidden"
    assert judge(head("/?token=secret-tokex", **host), OPEN).status == "403 Forbidden"
    answer = judge(head("/?token=secret-token", **host), OPEN)
    # The address that stays in the browser's history has no token.
    assert answer.status == "303 See Other" and answer.headers["Location"] == "/"
    assert answer.headers["Set-Cookie"] == "view_8080=secret-token; Path=/; HttpOnly; SameSite=Strict"
    assert judge(head(**host, Cookie="a=b; view_8080=secret-token"), OPEN) is None
    assert judge(head(**host, Cookie="view_8081=secret-token"), OPEN).status == "403 Forbidden"
    assert judge(head(**host, Cookie='view_8080="'), OPEN).status == "403 Forbidden"


def test_the_token_alone_does_not_let_a_page_of_others_in():
    cookie = {"Cookie": "view_8080=secret-token"}
    assert judge(socket("http://robot.lan:8080", "robot.lan:8080", **cookie), OPEN) is None
    assert judge(socket("http://evil.example", "robot.lan:8080", **cookie), OPEN).status == "403 Forbidden"


@given(st.binary(max_size=300))
def test_no_bytes_raise_or_pass(data):
    assert judge(data + b"\r\n\r\n", OPEN) is not None
