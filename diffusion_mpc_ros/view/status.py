"""Mode, holder and fault in words, for people."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.view.seen import Seen

# Colours of the modes; any other is grey.
COLOURS = {
    "walking": "#2f9e56",
    "standing": "#2b6cb0",
    "standing_up": "#2b6cb0",
    "sitting_down": "#8a6d1a",
    "fault": "#c92a3f",
}
GREY = "#4a5260"
CARD = """<div style="padding:.2em .75em">
<div style="background:{colour};color:white;border-radius:6px;padding:.35em .7em;font-size:1.15em;font-weight:700;
text-transform:uppercase;letter-spacing:.06em">{mode}</div>{fault}
<div style="display:grid;grid-template-columns:auto 1fr;gap:.05em 1em;font-size:.9em;margin-top:.5em">{lines}</div>
</div>"""
FAULT = """<div role="alert" style="border:1px solid #c92a3f;border-radius:6px;color:#ff8794;margin-top:.4em;
padding:.35em .7em">{}</div>"""
LINE = """<div style="opacity:.6">{}</div>
<div style="font-variant-numeric:tabular-nums;white-space:pre">{}</div>"""


@dataclass(frozen=True)
class Status:
    """``mode`` and ``fault`` (its cause, "" for none) in words; ``lines``: what else there is to say, by name."""

    mode: str
    fault: str
    lines: tuple[tuple[str, str], ...]


def describe(seen: Seen, now: float, browsers: int) -> Status:
    """Say in words what is seen at ``now`` [s] with so many ``browsers`` open."""
    commanded = seen.commanded if seen.hears_controller(now) else None
    mode = "not heard" if commanded is None else commanded.mode
    holder = "" if commanded is None else commanded.holder
    lines = [("robot", "heard" if seen.hears_robot(now) else "not heard"), ("held by", holder or "nobody")]
    if commanded is not None:
        vx, vy, turn = commanded.velocity
        lines.append(("asked for", f"{vx:+.2f}  {vy:+.2f} m/s  {turn:+.2f} rad/s"))
    if seen.state is not None and seen.hears_robot(now):
        vx, vy, _ = seen.state.base_lin_vel
        lines.append(("walks at", f"{vx:+.2f}  {vy:+.2f} m/s  {seen.state.base_ang_vel[2]:+.2f} rad/s"))
        lines.append(("height", f"{seen.state.base_height:.3f} m"))
    if seen.plan is not None:
        lines.append(("plan", f"{1e3 * seen.plan.plan_time:.1f} of {budget_ms(seen):.0f} ms"))
    publisher = seen.facts.get("command_publisher", {})
    if publisher:
        lines.append(("late ticks", f"{publisher.get('late_ticks', '?')} of {publisher.get('ticks', '?')}"))
    lines.append(("browsers", str(browsers)))
    return Status(mode, "" if commanded is None else commanded.fault, tuple(lines))


def budget_ms(seen: Seen) -> float:
    """The longest plan that is in time, max(D, 1) ticks [ms]; NaN while no plan says its D."""
    margin = None if seen.plan is None else seen.plan.replan_margin
    return float("nan") if margin is None else 1e3 * CONTROL_DT * max(margin, 1)


def as_html(status: Status) -> str:
    """``status`` as a card; what other programs say is escaped."""
    return CARD.format(
        colour=COLOURS.get(status.mode, GREY),
        mode=escape(status.mode.replace("_", " ")),
        fault=FAULT.format(escape(status.fault)) if status.fault else "",
        lines="".join(LINE.format(escape(name), escape(text)) for name, text in status.lines),
    )
