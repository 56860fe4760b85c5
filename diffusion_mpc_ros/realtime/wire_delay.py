"""Which plan and which LowState a LowCmd on the wire came from, and how long that took; no clock is read here.

Stamps are [ns] of the system's clock. A delay begins with the stamp that the LowState's writer put on the wire and ends
when a listener on the wire had the LowCmd, so that both ways over the wire are in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_TICK_MS
from diffusion_mpc_ros.core.types import Timing

CONTROL_TICK_NS = CONTROL_TICK_MS * 10**6
NO_PLAN = -1


@dataclass(frozen=True)
class WireRecord:
    """What a listener on the wire saw: n LowStates and m LowCmds, each with its writer's stamp and the listener's."""

    lowstate_tick_ms: np.ndarray  # (n,) int64 [ms], the robot's own clock
    lowstate_sent: np.ndarray  # (n,) int64 [ns]
    lowstate_received: np.ndarray  # (n,) int64 [ns]
    lowcmd_sent: np.ndarray  # (m,) int64 [ns]
    lowcmd_received: np.ndarray  # (m,) int64 [ns]
    lowcmd_joint_pos: np.ndarray  # (m, 12) float32 [rad]


@dataclass(frozen=True)
class ReportedCommand:
    """One ``joint_command``: what was sent just before ``stamp`` [ns], from which LowState and which plan.

    ``plan_start_tick`` and ``plan_row`` are :data:`NO_PLAN` for a command that comes from no plan.
    """

    stamp: int
    tick: int
    lowstate_tick_ms: int
    plan_start_tick: int
    plan_row: int
    joint_pos: np.ndarray  # (12,) [rad]


@dataclass
class NodeRecord:
    """What the nodes said meanwhile, in order of arrival.

    ``plans``: start ticks. ``states``: by tick, the LowState [ms] from which that tick's robot state was made.
    ``artefact``: SHA-256 of the model that the last plan came from.
    """

    commands: list[ReportedCommand] = field(default_factory=list)
    plans: list[int] = field(default_factory=list)
    states: dict[int, int] = field(default_factory=dict)
    artefact: str = ""


@dataclass(frozen=True)
class Delays:
    """Durations [s], and what they were measured on.

    Of ``plans_due`` by the replan interval ``plans`` were made; ``missed`` of these have no row executed at their tick
    ``start_tick + D``, ``unexecuted`` none at any tick, and so no delay. ``unmatched_*``: executed plans and sent
    commands whose LowState or LowCmd was not seen on the wire.
    """

    planned: np.ndarray  # (p,), LowState that a plan was made from -> first LowCmd that executes the plan
    reflex: np.ndarray  # (c,), newest LowState that a LowCmd was decided with -> that LowCmd
    intervals: np.ndarray  # (m - 1,), between LowCmds
    plans_due: int
    plans: int
    missed: int
    unexecuted: int
    unmatched_plans: int
    commands: int
    unmatched_commands: int


def match_commands(wire: WireRecord, commands: Sequence[ReportedCommand]) -> np.ndarray:
    """Index of the LowCmd of each of ``commands``, which are in the order of their stamps; -1 where none fits.

    A command is reported just after it was sent: its LowCmd is the newest one sent before the report's stamp, at most
    one tick before, with the same joint targets in single precision. No LowCmd serves twice. -> ``(n,)``
    """
    order = np.argsort(wire.lowcmd_sent, kind="stable")
    sent = wire.lowcmd_sent[order]
    matched = np.full(len(commands), -1)
    unused = 0
    for index, command in enumerate(commands):
        first = max(unused, int(np.searchsorted(sent, command.stamp - CONTROL_TICK_NS)))
        end = int(np.searchsorted(sent, command.stamp, side="right"))
        targets = np.asarray(command.joint_pos, dtype=np.float32)
        for position in range(end - 1, first - 1, -1):
            if np.array_equal(wire.lowcmd_joint_pos[order[position]], targets):
                matched[index], unused = order[position], position + 1
                break
    return matched


def measure(wire: WireRecord, nodes: NodeRecord, timing: Timing, start: int, end: int) -> Delays:
    """Return the delays of what was sent between ``start`` and ``end`` [ns].

    Plans count whose horizon of H ticks lies within that time: a late one still had its chance to be executed.
    """
    commands = [command for command in nodes.commands if start <= command.stamp < end]
    lowcmds = match_commands(wire, commands)
    # Of two LowStates with the same clock the first counts.
    sent = dict(zip(wire.lowstate_tick_ms[::-1].tolist(), wire.lowstate_sent[::-1].tolist()))
    reflex = [_delay(wire, int(lowcmd), sent.get(c.lowstate_tick_ms)) for c, lowcmd in zip(commands, lowcmds)]

    first_of_plan: dict[int, int] = {}
    in_time: set[int] = set()
    for index, command in enumerate(commands):
        if command.plan_start_tick != NO_PLAN:
            first_of_plan.setdefault(command.plan_start_tick, index)
            if command.plan_row == timing.replan_margin:
                in_time.add(command.plan_start_tick)
    ticks = range(commands[0].tick, commands[-1].tick - timing.horizon + 1) if commands else range(0)
    plans = sorted(tick for tick in {*nodes.plans, *first_of_plan} if tick in ticks)
    executed = [tick for tick in plans if tick in first_of_plan]
    planned = [_delay(wire, int(lowcmds[first_of_plan[tick]]), sent.get(nodes.states.get(tick))) for tick in executed]
    received = np.sort(wire.lowcmd_received)
    intervals = np.diff(received[(received >= start) & (received < end)]) * 1e-9
    return Delays(
        planned=_found(planned),
        reflex=_found(reflex),
        intervals=intervals,
        plans_due=len(ticks) // timing.replan_interval,
        plans=len(plans),
        missed=len(set(plans) - in_time),
        unexecuted=len(plans) - len(executed),
        unmatched_plans=planned.count(None),
        commands=len(commands),
        unmatched_commands=reflex.count(None),
    )


def report(delays: Delays, timing: Timing) -> dict[str, Any]:
    """Return the numbers of ``bench delay --json``; times in ms, None where nothing was measured."""
    return {
        "planned_ms": summarize(delays.planned),
        "beyond_buffer_ms": summarize(beyond_buffer(delays, timing)),
        "reflex_ms": summarize(delays.reflex),
        "lowcmd_interval_ms": summarize(delays.intervals),
        "plans": {
            "due": delays.plans_due,
            "made": delays.plans,
            "missed": delays.missed,
            "unexecuted": delays.unexecuted,
            "unmatched": delays.unmatched_plans,
        },
        "commands": {"sent": delays.commands, "unmatched": delays.unmatched_commands},
    }


def beyond_buffer(delays: Delays, timing: Timing) -> np.ndarray:
    """Return what of the planned delays [s] is not the D ticks that a plan waits for on purpose."""
    return delays.planned - timing.replan_margin * timing.control_dt


def summarize(durations: np.ndarray) -> dict[str, float] | None:
    """Count, and min, p50, p90, p99, max [ms], of ``durations`` [s]; None without any."""
    if not len(durations):
        return None
    values = np.percentile(durations, [0, 50, 90, 99, 100]) * 1e3
    return {"count": len(durations), **dict(zip(("min", "p50", "p90", "p99", "max"), values.tolist()))}


def _delay(wire: WireRecord, lowcmd: int, sent: int | None) -> float | None:
    """From ``sent`` [ns] to the LowCmd of that index [s]; None when either was not on the wire."""
    return None if lowcmd < 0 or sent is None else (int(wire.lowcmd_received[lowcmd]) - sent) * 1e-9


def _found(delays: Sequence[float | None]) -> np.ndarray:
    return np.array([delay for delay in delays if delay is not None], dtype=np.float64)
