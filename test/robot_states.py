"""States of one robot for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from diffusion_mpc_ros.core.types import RobotState


def standing(tick: int = 100, **changes: Any) -> RobotState:
    """One robot at rest in the default pose, with ``changes``."""
    batch = RobotState.standing(tick)
    arrays = {name: value[0] for name, value in vars(batch).items() if name != "tick"}
    return replace(RobotState(tick, **arrays), **changes)
