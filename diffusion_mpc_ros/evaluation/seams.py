"""What the asynchronous loop executed: how often from a plan, and how far plans jump where one takes over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
from diffusion_mpc_ros.realtime.action_buffer import ExecutedRow

NO_PLAN = -1


def seam_jump(before: ExecutedRow | None, now: ExecutedRow | None, tick: int) -> np.ndarray | None:
    """Largest ``|new plan's row - old plan's row|`` over the joints ``(B,)`` [rad], both rows for ``tick``.

    ``before``, ``now``: what was executed at ``tick - 1`` and ``tick``. None where no plan took over from another, or
    where the old one has no row for ``tick`` left to compare with.
    """
    if before is None or now is None or now.plan is before.plan:
        return None
    index = tick - before.plan.start_tick
    if index >= before.plan.horizon:
        return None
    return np.abs(now.joint_targets - before.plan.joint_targets[index]).max(axis=-1)


class SeamRecorder:
    """A batch controller that notes, tick by tick, which plan ``controller`` executes and the jump at each seam."""

    def __init__(self, controller: AsynchronousController) -> None:
        self._controller = controller
        self._starts: list[int] = []  # start tick of the plan executed at each tick, or NO_PLAN
        self._seams: list[int] = []  # ticks at which a plan took over from another one with a row left
        self._jumps: list[np.ndarray] = []  # (B,) [rad] at each of them
        self._targets: list[np.ndarray] = []  # (B, 12) [rad] at each tick

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """See :class:`BatchController`; ticks count from 0."""
        before = self._controller.executed
        targets = self._controller.joint_targets(state, command)
        now = self._controller.executed
        self._starts.append(NO_PLAN if now is None else now.plan.start_tick)
        self._targets.append(targets)
        jump = seam_jump(before, now, state.tick)
        if jump is not None:
            self._seams.append(state.tick)
            self._jumps.append(jump)
        return targets

    def rates(self, first_tick: int) -> dict[str, float]:
        """From ``first_tick`` on [Hz]: ticks with a joint target from a plan, and plans that came to be executed."""
        starts = np.array(self._starts)
        begun = (starts[1:] != starts[:-1]) & (starts[1:] != NO_PLAN)
        seconds = (len(starts) - first_tick) * CONTROL_DT
        return {
            "command_rate_hz": float((starts[first_tick:] != NO_PLAN).sum() / seconds),
            "plan_rate_hz": float(begun[max(first_tick - 1, 0) :].sum() / seconds),
        }

    def jump(self, upright: np.ndarray) -> dict[str, float | None]:
        """``seams`` (a robot each), ``mean`` and ``p99`` [rad] of the jump where ``upright (ticks, B)`` is set.

        None without a seam.
        """
        jumps = np.stack(self._jumps)[upright[self._seams]] if self._seams else np.empty(0)
        if not len(jumps):
            return {"seams": 0, "mean": None, "p99": None}
        return {"seams": len(jumps), "mean": float(jumps.mean()), "p99": float(np.percentile(jumps, 99))}

    def step(self, upright: np.ndarray) -> dict[str, float | None]:
        """Mean over robots and ticks of the largest ``|joint target - the last one|`` [rad] over the joints.

        ``seam``: where a plan took over from another one; ``within``: where the same plan went on. None without. Where
        plans have no row in common (R = H - D), this is what shows a seam.
        """
        starts, targets = np.array(self._starts), np.stack(self._targets)
        steps = np.abs(np.diff(targets, axis=0)).max(axis=-1)
        counted = ((starts[1:] != NO_PLAN) & (starts[:-1] != NO_PLAN))[:, None] & upright[1:]
        same = (starts[1:] == starts[:-1])[:, None]
        parts = {"seam": steps[counted & ~same], "within": steps[counted & same]}
        return {name: float(values.mean()) if values.size else None for name, values in parts.items()}


def jump_text(row: Mapping[str, Any]) -> str:
    """``mean / p99`` of the jump, "-" where no plan took over from another one that had a row left."""
    jump = row["jump"]
    return "-" if jump["mean"] is None else f"{jump['mean']:.3f} / {jump['p99']:.3f}"


def step_text(row: Mapping[str, Any]) -> str:
    """``seam / within`` of the mean step, "-" where there is none."""
    return " / ".join("-" if value is None else f"{value:.3f}" for value in row["step"].values())
