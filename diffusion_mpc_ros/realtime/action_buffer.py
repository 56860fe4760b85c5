"""Which row of which plan is executed at a control tick (arXiv 2510.04234, IV-D and Fig. 3)."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.types import Plan, Timing


@dataclass(frozen=True)
class ExecutedRow:
    """Row ``index`` of ``plan``: ``joint_targets (..., 12)`` [rad], shaped as the plan without its first axis."""

    joint_targets: np.ndarray
    plan: Plan
    index: int

    @property
    def feed_forward(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Joint velocities and torques of the row, as those of :class:`Plan`."""
        joint_vel, joint_torque = (
            values if values is None else values[self.index] for values in self.plan.feed_forward
        )
        return joint_vel, joint_torque


class ActionBuffer:
    """A bounded queue of plans and the rule that picks the executed row.

    At tick ``t`` row ``t - start_tick`` of the newest plan is executed for which ``D <= t - start_tick < H``. D is the
    replan margin that the plan says, and that of ``timing`` where it says none. Plans
    newer than that stay queued until their own row D is due, so a replan interval R <= D never starves the buffer.
    The publisher executes from one buffer, the planner keeps a mirror of it for :meth:`committed`, and the batch
    simulator uses plans ``(H, B, 12)``. One thread may add while another reads: readers work on an immutable tuple.

    A tick has a meaning only beside the present one, which :meth:`advance` and :meth:`row` tell: without it, at first
    and after :meth:`clear`, no plan is taken, and one that is further than H ticks from it belongs to another clock.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._lock = threading.Lock()
        self._plans: tuple[Plan, ...] = ()  # newest start_tick first, one plan per start_tick
        self._now: int | None = None  # the present tick

    def __len__(self) -> int:
        return len(self._plans)

    def add(self, plan: Plan) -> bool:
        """Queue ``plan``; False when it cannot serve: a duplicate, too old, over H ticks ahead, or no present tick.

        Of two plans for the same start tick the first stays, so that what is committed does not change under the
        planner. Raises :class:`PlanError` when the plan's number of rows or its batch shape does not fit.
        """
        horizon = self._timing.horizon
        if plan.horizon != horizon:
            raise PlanError(f"the plan for tick {plan.start_tick} has {plan.horizon} rows, H = {horizon} are needed")
        with self._lock:
            plans, now = self._plans, self._now
            if plans and plans[0].joint_targets.shape != plan.joint_targets.shape:
                raise PlanError(
                    f"the plan for tick {plan.start_tick} has shape {plan.joint_targets.shape}, "
                    f"those in the buffer have {plans[0].joint_targets.shape}; clear() the buffer before changing it"
                )
            if now is None or not now - horizon < plan.start_tick <= now + horizon:
                return False
            if any(known.start_tick == plan.start_tick for known in plans):
                return False
            useful = (known for known in plans if known.start_tick > now - horizon)
            self._plans = tuple(sorted((*useful, plan), key=lambda known: -known.start_tick))
            return True

    def advance(self, tick: int) -> None:
        """Make ``tick`` the present one; plans over H ticks ahead of it are of another clock and forgotten."""
        with self._lock:
            self._now = tick
            self._plans = tuple(known for known in self._plans if known.start_tick <= tick + self._timing.horizon)

    def row(self, tick: int) -> ExecutedRow | None:
        """Return the row to execute at ``tick``, now the present one, or None when no plan has one."""
        self.advance(tick)
        return self._find(tick)

    def committed(self, tick: int, margin: int | None = None) -> np.ndarray | None:
        """Joint targets ``(D, ..., 12)`` [rad] of ticks ``tick .. tick + D - 1`` under the plans known now.

        D is ``margin``, that of the plan to be made; by default the timing's. None when D = 0 or when one of these
        ticks has no row: then nothing is committed to.
        """
        ticks = self._timing.replan_margin if margin is None else margin
        rows = [self._find(tick + offset) for offset in range(ticks)]
        targets = [row.joint_targets for row in rows if row is not None]
        return np.stack(targets) if rows and len(targets) == len(rows) else None

    def clear(self) -> None:
        """Forget every plan and the present tick (mode change, clock restart)."""
        with self._lock:
            self._plans = ()
            self._now = None

    def _find(self, tick: int) -> ExecutedRow | None:
        for plan in self._plans:
            index = tick - plan.start_tick
            margin = self._timing.replan_margin if plan.replan_margin is None else plan.replan_margin
            if margin <= index < self._timing.horizon:
                return ExecutedRow(plan.joint_targets[index], plan, index)
        return None
