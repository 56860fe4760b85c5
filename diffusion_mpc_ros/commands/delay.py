"""From a LowState that leaves the simulator to the LowCmd that used it, on the wire, with the five processes running.

Starts them in domains of their own, lets the robot walk, and listens on rt/lowstate and rt/lowcmd with a process that
runs before all others where real-time scheduling is granted. Two delays, each from the stamp that the LowState's writer
put on the wire to the arrival of the LowCmd at the listener: of a plan, from the LowState it was made from to the first
LowCmd that executes it (less the planned D ticks: beyond the buffer); and of a LowCmd, from the newest LowState that it
was decided with. How to read the table: docs/performance.md.
Exit status: 0 walked, 1 fell, faulted, a process died or nothing was matched, 2 a setting does not fit.

examples:
  diffusion-mpc bench delay --json delay.json
  diffusion-mpc bench delay --replan-margin 1 --replan-interval 1      a plan every tick, used at the next
  diffusion-mpc bench delay --duration 300 --cmd-vel 0.3 0 0.5 --plot delay.png
  diffusion-mpc bench delay --parameters planner.candidates=5
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands import launch, run
from diffusion_mpc_ros.commands.child import Child, ProcessDied, interrupt_on_signals
from diffusion_mpc_ros.core.settings import AUTO
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.plots import curves
from diffusion_mpc_ros.evaluation.report_file import SingleReport
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.realtime import wire_delay
from diffusion_mpc_ros.realtime.measurement import MeasurementError
from diffusion_mpc_ros.realtime.settings import MARGIN
from diffusion_mpc_ros.realtime.wire_delay import Delays, NodeRecord, WireRecord

# The plot: width of a bin [ms]; what is longer than so many times the p99 is drawn in the last bin.
BIN, LONGEST = 0.1, 1.5
MARGIN_PARAMETER = "planner.replan_margin="
PERCENTILES = ("p50", "p90", "p99", "max")


@dataclass(frozen=True, kw_only=True)
class Config(SingleReport):
    """How to walk and how to plan meanwhile."""

    command = "bench delay"

    duration: float = 60.0
    """Measure for so many seconds."""
    cmd_vel: tuple[float, float, float] = (0.5, 0.0, 0.0)
    """Velocity command: VX VY [m/s] and yaw rate WZ [rad/s]."""
    replan_margin: int | None = None
    """Replan margin D of all nodes [control ticks]; default that of config/, 3 where that is `auto`."""
    replan_interval: int | None = None
    """Replan interval R [control ticks], 1: every tick; default that of config/."""
    planner: str = "diffusion_mpc"
    """The planner: a name of planners/registry.py, or MODULE:FUNCTION of your own (docs/planners.md)."""
    parameters: tuple[str, ...] = ()
    """Node settings: NODE.NAME=VALUE, as in config/NODE.yaml; `diffusion-mpc settings` lists them."""
    plot: Path | None = None
    """Draw histograms of the delays into this PNG file."""

    def assignments(self) -> tuple[str, ...]:
        """Return the options as node parameters, and ``parameters``, which may not say the same again."""
        margin, interval = self.replan_margin, self.replan_interval
        options = [f"{MARGIN_PARAMETER}{margin}"] if margin is not None else []
        options += [f"planner.replan_interval={interval}"] if interval is not None else []
        return (*options, *self.parameters)

    def conduct(self) -> int:
        """Walk, listen, report; 1 when the robot fell or faulted, a process died or nothing was matched."""
        from diffusion_mpc_ros.faults.domains import free_domains

        console = Console()
        ros_domain, robot_domain = free_domains(2)
        assignments = self.assignments()
        timing = timing_of(self._processes(robot_domain, assignments).options())
        others = (text for text in assignments if not text.startswith(MARGIN_PARAMETER))
        assignments = (f"{MARGIN_PARAMETER}{timing.replan_margin}", *others)
        processes = self._processes(robot_domain, assignments)
        walk = run.Config(self.duration, self.cmd_vel, headless=True, domain_id=robot_domain)
        settings = {
            "duration_s": self.duration, "cmd_vel": self.cmd_vel, "horizon": timing.horizon,
            "replan_margin": timing.replan_margin, "replan_interval": timing.replan_interval,
            "parameters": assignments, **({} if self.planner == Config.planner else {"planner": self.planner}),
        }  # fmt: skip
        self.check_target({"settings": settings})
        os.environ["ROS_DOMAIN_ID"] = str(ros_domain)
        # A request to end is treated as Ctrl-C: the robot sits down first.
        interrupt_on_signals()
        load_average = os.getloadavg()[0]
        measured = _walk(walk, processes, timing, console)
        if measured is None:
            return 1
        delays, report = measured
        report = {"machine": describe_machine(), "load_average": load_average, "settings": settings, **report}
        print_report(report, console)
        self.write(report)
        if self.plot is not None:
            _plot(self.plot, delays, timing)
        matched = report["planned_ms"] is not None and report["reflex_ms"] is not None
        if not matched:
            console.print("error: no plan or no LowState could be matched with a LowCmd on the wire")
        return 0 if matched and not report["walk"]["fell"] and not report["walk"]["fault"] else 1

    def _processes(self, domain_id: int, assignments: tuple[str, ...]) -> launch.Config:
        return launch.Config(planner=self.planner, domain_id=domain_id, end_together=True, parameters=assignments)


def timing_of(options: bringup.BringupOptions) -> Timing:
    """Horizon, margin and interval to measure with; raises ConfigurationError for what does not fit.

    A margin that the planner would settle at its start is fixed here at that of a machine without much time, so that
    two runs measure the same.
    """
    (planner,) = (spec.parameters for spec in bringup.processes(options) if spec.name == "planner")
    margin = MARGIN if planner["replan_margin"] == AUTO else planner["replan_margin"]
    return Timing(planner["horizon"], margin, planner["replan_interval"])


def _walk(
    config: run.Config, processes: launch.Config, timing: Timing, console: Console
) -> tuple[Delays, dict[str, Any]] | None:
    """Walk with a listener on the wire: the delays and their report; None when a process died or nothing was heard."""
    from diffusion_mpc_ros.commands.wire_listener import WireListener
    from diffusion_mpc_ros.nodes import delay_recorder

    recorded: list[NodeRecord] = []
    options = processes.options()
    with WireListener(bringup.SIMULATION_INTERFACE, config.domain_id) as listener, Child(processes) as child:
        console.print(f"output of the processes: {child.log}")
        walk = run.Walk(
            config, options, child, console, lambda operator: recorded.append(delay_recorder.record(operator))
        )
        try:
            walked = walk.run()
        except (ProcessDied, MeasurementError) as error:
            console.print(f"error: {error}\n{child.tail()}", markup=False)
            return None
        wire = listener.stop()
    # The stamps on the wire are of the system's clock, the window is of the monotonic one.
    offset = time.time_ns() - time.monotonic_ns()
    start, end = (int(at * 1e9) + offset for at in (walk.window.start, walk.window.end))
    nodes = recorded[0]
    delays = wire_delay.measure(wire, nodes, timing, start, end)
    listening = {"realtime": listener.realtime, "clock_resolution_ns": time.get_clock_info("time").resolution * 1e9}
    listening |= listener_lag(wire, start, end)
    walked_values = {name: walked[name] for name in ("fell", "fault", "duration", "plan_ms", "max_lateness_ms")}
    numbers = wire_delay.report(delays, timing)
    return delays, {"artefact": nodes.artefact, **numbers, "listener": listening, "walk": walked_values}


def listener_lag(wire: WireRecord, start: int, end: int) -> dict[str, Any]:
    """How long after its writer's stamp a sample was stamped by the listener; in ``start .. end`` [ns]."""
    topics = {"lowstate": (wire.lowstate_sent, wire.lowstate_received)}
    topics["lowcmd"] = (wire.lowcmd_sent, wire.lowcmd_received)
    lags = {}
    for topic, (sent, received) in topics.items():
        within = (sent >= start) & (sent < end)
        lags[f"{topic}_lag_ms"] = wire_delay.summarize((received - sent)[within] * 1e-9)
    return lags


def print_report(report: dict[str, Any], console: Console) -> None:
    """Return the delays as a table, then what they were measured on."""
    settings, plans, commands = report["settings"], report["plans"], report["commands"]
    walk, listener = report["walk"], report["listener"]
    delays = {
        "LowState -> first LowCmd of its plan": report["planned_ms"],
        "beyond the buffer's D ticks": report["beyond_buffer_ms"],
        "newest LowState -> LowCmd": report["reflex_ms"],
        "LowCmd -> next LowCmd": report["lowcmd_interval_ms"],
        "listener's lag, LowState": listener["lowstate_lag_ms"],
        "listener's lag, LowCmd": listener["lowcmd_lag_ms"],
    }
    columns = (
        ("", lambda row: row[0]),
        ("count", lambda row: str(row[1]["count"]) if row[1] else "0"),
        *((name, lambda row, name=name: f"{row[1][name]:.2f}" if row[1] else "-") for name in PERCENTILES),
    )
    timing = f"D = {settings['replan_margin']}, R = {settings['replan_interval']}"
    Grid.of(f"{walk['duration']:.0f} s, {timing}; times in ms", columns, delays.items()).print(console)
    plan = walk["plan_ms"]
    granted = "with" if listener["realtime"] else "without"
    lines = (
        f"plans: {plans['made']} made of {plans['due']} due, {plans['missed']} missed their tick, "
        f"{plans['unexecuted']} never executed, {plans['unmatched']} not matched; "
        f"plan time p50 {plan['p50']:.1f} ms, p99 {plan['p99']:.1f} ms",
        f"commands: {commands['sent']} sent, {commands['unmatched']} not matched; robot fell: "
        f"{'yes' if walk['fell'] else 'no'}{', ' + walk['fault'] if walk['fault'] else ''}",
        f"listener {granted} real-time scheduling; {report['machine']['processor']}, {report['machine']['cores']} "
        f"cores, load average {report['load_average']:.1f} before; artefact {report['artefact'][:12]}",
    )
    for line in lines:
        console.print(escape(line), highlight=False)


def _plot(path: Path, delays: Delays, timing: Timing) -> None:
    durations = {"beyond the buffer": wire_delay.beyond_buffer(delays, timing)}
    durations["newest LowState to LowCmd"] = delays.reflex
    path.parent.mkdir(parents=True, exist_ok=True)
    panels = {f"{name}: samples per {BIN} ms": {"samples": histogram(values)} for name, values in durations.items()}
    curves(path, panels, "delay [ms]")


def histogram(durations: np.ndarray) -> list[tuple[float, float]]:
    """Return the outline of a histogram of ``durations`` [s], points (ms, samples); longer ones are in the last bin."""
    if not len(durations):
        return []
    milliseconds = durations * 1e3
    longest = LONGEST * max(float(np.percentile(milliseconds, 99)), BIN)
    first = BIN * np.floor(min(float(milliseconds.min()), 0.0) / BIN)
    edges = first + BIN * np.arange(int(np.ceil((longest - first) / BIN)) + 2)
    counts, _ = np.histogram(np.minimum(milliseconds, edges[-2] + 0.5 * BIN), edges)
    outline = zip(np.repeat(edges, 2)[1:-1].tolist(), np.repeat(counts, 2).tolist())
    return [(left, float(count)) for left, count in outline]
