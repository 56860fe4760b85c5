"""What command_publisher says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from diffusion_mpc_ros.control import checks
from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.nodes.control_loop import ControlLoop
from diffusion_mpc_ros.nodes.control_step import ControlStep


def _robot_warning(lowstate: LowState | None, link: LinkStatus) -> str:
    """Return what is odd about what the robot says of itself, "" for nothing."""
    if lowstate is None:
        return ""
    motor = checks.motor_violation(lowstate, link)
    if motor is not None:
        return str(motor)
    return "the battery's state of charge is not known" if lowstate.battery_soc is None else ""


def diagnostics(step: ControlStep, loop: ControlLoop, facts: Mapping[str, Any]) -> tuple[bytes, str, dict[str, Any]]:
    """Level, text and values of the node's diagnostic status."""
    link = loop.turns.link_status
    fault, mode = step.output.fault, step.output.mode
    lateness = loop.reports.lateness.summary()
    level, text = DiagnosticStatus.OK, mode.value
    if fault is not None:
        level, text = DiagnosticStatus.ERROR, f"fault: {fault}"
    elif not link.watchdog_ready:
        level, text = DiagnosticStatus.WARN, f"{mode.value}; the watchdog process is not ready"
    elif mode is Mode.WALKING and not step.holding.alive:
        level, text = DiagnosticStatus.WARN, f"{mode.value}; nobody holds the robot: it stands still"
    elif (warning := _robot_warning(step.lowstate, link)) != "":
        level, text = DiagnosticStatus.WARN, f"{mode.value}; {warning}"
    values = {
        "mode": mode.value,
        "ticks": lateness.count,
        "late_ticks": lateness.misses,
        "skipped_ticks": loop.skipped,
        "lateness_p50_ms": lateness.p50 * 1e3,
        "lateness_p99_ms": lateness.p99 * 1e3,
        "lateness_max_ms": lateness.max * 1e3,
        "motor_packets_lost": int(step.lowstate.motor_lost.sum()) if step.lowstate is not None else 0,
        "clamped_joints": step.output.clamped,
        "rejected_lowstates": loop.rejected_lowstates,
        "report_failures": loop.reports.failures,
        "operator_failures": loop.operator.failures,
        "report_time_max_ms": loop.reports.times.summary().max * 1e3,
        "watchdog_ready": link.watchdog_ready,
        "foreign_publishers": link.foreign_publishers,
        "foreign_lowstate": link.foreign_lowstate or "none",
        "holder": step.holding.holder or "nobody",
        "holder_alive": step.holding.alive,
        "robot_controller": "unknown" if link.robot_controller is None else link.robot_controller,
        **facts,
    }
    return level, text, values
