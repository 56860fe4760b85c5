"""Closing goes on whatever fails of it."""

from __future__ import annotations

import pytest

from diffusion_mpc_ros.core.closing import close_all
from diffusion_mpc_ros.core.errors import InterfaceError


def test_everything_is_closed_in_order_and_the_last_error_is_raised():
    closed = []

    def failing(name: str) -> None:
        closed.append(name)
        raise InterfaceError(name)

    with pytest.raises(InterfaceError, match="third"):
        close_all(
            lambda: failing("first"),
            lambda: closed.append("second"),
            lambda: failing("third"),
            lambda: closed.append("fourth"),
        )
    assert closed == ["first", "second", "third", "fourth"]
    close_all(lambda: closed.append("fifth"))
    assert closed[-1] == "fifth"
