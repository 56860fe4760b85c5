"""The node that commands the robot, where no robot is needed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.nodes.command_publisher import CommandPublisher


@pytest.mark.parametrize("failing", ["_side_services", "_loop", "_operator"])
def test_it_closes_everything_whatever_fails_of_it_the_loop_first(failing):
    closed = []

    def part(name: str) -> SimpleNamespace:
        def close() -> None:
            closed.append(name)
            if name == failing:
                raise InterfaceError(f"{name} is not closed")

        return SimpleNamespace(close=close)

    parts = {name: part(name) for name in ("_side_services", "_loop", "_operator", "_domain")}
    node = SimpleNamespace(**parts, log_lines=lambda: closed.append("log"))
    with pytest.raises(InterfaceError, match=f"{failing} is not closed"):
        CommandPublisher.close(node)
    assert closed == ["_loop", "_side_services", "_operator", "log", "_domain"]
