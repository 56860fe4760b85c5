"""Checks of ``rt/lowstate``: its rate, its gaps, what was refused, and the robot's clock."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import Finding, bad, ok, skipped, warning
from diffusion_mpc_ros.commands.doctor.listener import LowStateListener, Observation
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.realtime.tick_clock import RATE_TOLERANCE, TickClock

# How long to wait for the first sample, also with --quick; how long to listen [s].
FIRST_SAMPLE, FIRST_SAMPLE_QUICK, OBSERVATION = 2.0, 0.5, 1.5
# Share of the robot's own rate [Hz] that is still well. Two a control tick are the least that a 50 Hz loop can work on.
RATE_LOW, RATE_BAD = 0.9, 2.0 / CONTROL_DT
# Shares of the samples.
LOST_MANY, REFUSED_MANY = 0.02, 0.001

START_SIMULATOR = "start one: diffusion-mpc simulate"
_LOADED = "free a core (doctor names the busy processes); the robot's cable in this machine, no Wi-Fi in between"


def check_lowstate(context: Context) -> Finding:
    """Is there a robot or a simulator."""
    context.listener = LowStateListener(context.domain, context.profile)
    context.at_close(context.listener.close)
    heard = context.listener.first(FIRST_SAMPLE_QUICK if context.quick else FIRST_SAMPLE) is not None
    return judge_lowstate(heard, *context.listener.refusals(), context, context.listener.publishers())


def judge_lowstate(
    heard: bool, refused: int, last_error: str, context: Context, publishers: Sequence[str] = ()
) -> Finding:
    """``heard``: one sample at least could be read; ``refused`` others could not, the last for ``last_error``."""
    where = f"domain {context.domain_id} on {context.network_interface}"
    if len(publishers) > 1:
        return bad(
            f"{len(publishers)} robots or simulators speak in {where}: {', '.join(publishers)}",
            "end all but one, or give each simulator a domain of its own: diffusion-mpc simulate --domain-id 2",
        )
    if heard:
        return ok(f"there, {where}")
    if refused:
        return bad(
            f"all {refused} samples are refused, the last: {last_error}",
            "is it a Go2 with the standard firmware? end other programs that publish rt/lowstate; restart the robot",
        )
    if not context.robot:
        return skipped(f"no robot and no simulator speaks in {where}", START_SIMULATOR)
    return bad(
        f"silent in {where}",
        "in this order: is it the card that the robot's cable is in; is the domain right (--domain-id 0 on the robot, "
        "1 in simulation); is the robot on, for a minute already; does multicast work (above)",
    )


def check_rate(context: Context) -> Finding:
    """How many come a second; what comes is kept for the next checks."""
    context.observation = context.listener.observe(OBSERVATION)
    return judge_rate(context.observation, context.profile.lowstate_rate)


def judge_rate(observation: Observation, usual: float) -> Finding:
    """Return samples a second, refused ones included, of a robot that sends ``usual`` [Hz]."""
    rate = observation.samples / observation.duration
    text = f"{rate:.0f} Hz over {observation.duration:.1f} s"
    if rate < RATE_BAD:
        return bad(f"{text}; the robot sends {usual:.0f}, {RATE_BAD:.0f} are needed", _LOADED)
    return ok(text) if rate >= RATE_LOW * usual else warning(f"{text}; the robot sends {usual:.0f}", _LOADED)


def judge_gaps(observation: Observation, settings: SafetySettings) -> Finding:
    """Return the longest pause between two samples, and how many are missing by the robot's clock."""
    if len(observation.times) < 2:
        return bad("fewer than two samples could be read", _LOADED)
    longest = float(np.diff(observation.times).max())
    lost = lost_share(observation)
    text = f"longest pause {longest * 1e3:.0f} ms, {100.0 * lost:.1f} % lost"
    if longest > settings.lowstate_age_max:
        return bad(f"{text}; a pause over {settings.lowstate_age_max * 1e3:.0f} ms is a fault while walking", _LOADED)
    return ok(text) if longest <= CONTROL_DT and lost <= LOST_MANY else warning(text, _LOADED)


def lost_share(observation: Observation) -> float:
    """Share of the samples that are missing between those that came; refused ones did come."""
    steps = np.diff(observation.ticks_ms)
    usual = float(np.median(steps)) if len(steps) else 0.0
    if usual <= 0.0:  # a clock that stands still tells nothing
        return 0.0
    missing = float(np.clip(np.rint(steps / usual) - 1.0, 0.0, None).sum()) - observation.refused
    return max(missing, 0.0) / (max(missing, 0.0) + observation.samples)


def judge_integrity(observation: Observation) -> Finding:
    """Return the share of refused samples."""
    if not observation.refused:
        return ok(f"{observation.samples} samples, none refused")
    text = f"{observation.refused} of {observation.samples} samples refused, the last: {observation.last_error}"
    remedy = "does another program publish rt/lowstate? end it; then check the cable, restart the robot"
    many = observation.refused > REFUSED_MANY * observation.samples
    return bad(text, remedy) if many else warning(text, remedy)


def judge_clock(observation: Observation) -> Finding:
    """LowState's tick must advance in milliseconds, and never jump: every control tick is numbered by it."""
    if len(observation.times) < 2:
        return bad("too few samples to tell", START_SIMULATOR)
    clock = TickClock()
    for tick_ms, receive_time in zip(observation.ticks_ms, observation.times):
        clock.update(tick_ms, receive_time)
    times = np.asarray(observation.times) - observation.times[0]
    ticks = np.asarray(observation.ticks_ms, dtype=np.float64) - observation.ticks_ms[0]
    # A straight line through all samples: one late message does not tilt it.
    ratio = float(np.polyfit(times, ticks * 1e-3, 1)[0])
    text = f"LowState's tick advances by {ratio * 1e3:.0f} ms a second of the local clock"
    remedy = "restart the robot; a simulator must run in real time: free a core, close its viewer, restart it"
    if abs(ratio - 1.0) > RATE_TOLERANCE:
        return bad(f"{text}, 1000 are needed", remedy)
    if clock.restarts:
        return bad(f"{text} and jumped {clock.restarts} times: every jump drops the plans", remedy)
    return ok(text)
