"""Start the simulated Go2 and the controller, stand up, walk, measure, sit down; the exit status says whether it fell.

Velocity and height are measured from the simulator's true state, the command rate from what was sent to the motors.
In a terminal the space bar is the emergency stop.
Exit status: 0 walked, 1 fell, faulted or a process died, 2 a setting does not fit.

examples:
  diffusion-mpc run                                   walk at 0.5 m/s until Ctrl-C
  diffusion-mpc run --duration 60 --cmd-vel 0.5 0 0 --headless --json run.json
  diffusion-mpc run --duration 40 --reward-preset joint_velocity --reward-at 20 --headless
  diffusion-mpc run --ground slope_up:10
  diffusion-mpc run --duration 300 --wander 1 --record --headless    a bag to learn from
  diffusion-mpc run --parameters planner.candidates=5 go2_simulator.payload=2.0
  PYTHONPATH=examples diffusion-mpc run --planner new_planner:make --cmd-vel 0.3 0 0
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands import launch
from diffusion_mpc_ros.commands.child import Child, ProcessDied, interrupt_on_signals
from diffusion_mpc_ros.commands.keyboard import emergency_stop_key
from diffusion_mpc_ros.commands.report import Progress, print_report
from diffusion_mpc_ros.commands.wander import Wander
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import Settings, same
from diffusion_mpc_ros.realtime import output
from diffusion_mpc_ros.realtime.measurement import Window, gait, report

if TYPE_CHECKING:
    from diffusion_mpc_ros.nodes.recording_operator import RecordingOperator


@dataclass(frozen=True)
class Config(Settings):
    """How to walk and what to measure."""

    duration: float | None = None
    """Measure for so many seconds, then sit down; without it walk until Ctrl-C."""
    cmd_vel: tuple[float, float, float] = (0.5, 0.0, 0.0)
    """Velocity command: VX VY [m/s] and yaw rate WZ [rad/s]."""
    wander: int | None = None
    """Ask for another velocity at random every 2 to 4 s instead; the same seed draws the same ones."""
    headless: bool = False
    """Open no viewer, even where there is a display."""
    view: bool = same(bringup.Options, "view")
    json: Path | None = None
    """Write the report to this file."""
    reward_preset: str = ""
    """Switch to this preset of config/rewards.yaml while walking and compare before and after."""
    reward_at: float | None = None
    """When to switch [s] after the start of measuring; default half of the duration."""
    record: bool = False
    """Record the walk to an MCAP file in this folder (diffusion-mpc record)."""
    planner: str = same(bringup.Options, "planner")
    ground: str = "flat"
    """What the robot walks on: NAME[:DIFFICULTY][@SEED], such as slope:15 or cobbles:0.06 (docs/ground.md)."""
    domain_id: int | None = same(bringup.Options, "domain_id")
    namespace: str = same(bringup.Options, "namespace")
    parameters: tuple[str, ...] = ()
    """Node settings: NODE.NAME=VALUE, as in config/NODE.yaml; `diffusion-mpc settings` lists them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.duration is not None and not (math.isfinite(self.duration) and self.duration > 0.0):
            raise ConfigurationError(f"duration {self.duration} s is not a positive time")
        if self.wander is not None and self.wander < 0:
            raise ConfigurationError(f"wander {self.wander}: a seed is a whole number from 0 on")
        if not all(math.isfinite(value) for value in self.cmd_vel):
            raise ConfigurationError(f"the velocity command {self.cmd_vel} must be three finite numbers")
        if self.reward_preset and self.duration is None:
            raise ConfigurationError("comparing before and after a reward preset needs a --duration")
        if self.reward_at is not None and not self.reward_preset:
            raise ConfigurationError("--reward-at says when; name the --reward-preset to switch to as well")
        if self.reward_at is not None and not 0.0 < self.reward_at < self.duration:
            raise ConfigurationError(f"--reward-at {self.reward_at} s is not within the duration of {self.duration} s")


def main(config: Config) -> int:
    """Walk as ``config`` says; 1 when the robot fell or faulted, or a process died."""
    output.never_block()
    console = Console()
    processes = _processes(config, console)
    options = processes.options()
    # A request to end is treated as Ctrl-C: the robot sits down first.
    interrupt_on_signals()
    result, failure = None, ""
    with Child(processes) as child:
        console.print(f"output of the processes: {child.log}")
        try:
            result = Walk(config, options, child, console).run()
        except ProcessDied as error:
            failure = str(error)
    if failure:
        console.print(f"error: {failure}\n{child.tail()}", markup=False)
        return 1
    asked = "at random" if config.wander is not None else "{:g} {:g} m/s, {:g} rad/s".format(*config.cmd_vel)
    print_report(result, asked, console)
    if config.json is not None:
        config.json.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    return 1 if result["fell"] or result["fault"] else 0


def _processes(config: Config, console: Console) -> launch.Config:
    # Loads the physics, which nothing else here needs.
    from diffusion_mpc_ros.simulation.ground.ground import Ground

    display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if not config.headless and not display:
        console.print("no display (DISPLAY, WAYLAND_DISPLAY): going on without the viewer")
    return launch.Config(
        planner=config.planner,
        namespace=config.namespace,
        domain_id=config.domain_id,
        viewer=display and not config.headless and not config.view,
        view=config.view,
        record=config.record,
        end_together=True,
        parameters=(f"go2_simulator.ground={Ground.parse(config.ground)}", *config.parameters),
    )


class Walk:
    """One walk with the running processes: stand up, walk, measure, sit down.

    ``observe`` is handed the operator before anything moves, for whoever records more than the report needs.
    """

    STARTED, STOOD, SAT = 60.0, 10.0, 6.0  # [s], how long each may take
    # Walking begins this long [s] before measuring: the robot accelerates from standing.
    SETTLE = 2.0
    # After a change of reward the weights ramp; the gait is compared from this long [s] after it.
    REWARD_SETTLE = 2.0

    def __init__(
        self,
        config: Config,
        options: bringup.BringupOptions,
        child: Child,
        console: Console,
        observe: Callable[[RecordingOperator], object] = lambda _: None,
    ) -> None:
        self._config, self._child, self._console, self._observe = config, child, console, observe
        self._asks = Wander(config.wander).at if config.wander is not None else lambda _: np.array(config.cmd_vel)
        specs = {spec.name: spec for spec in bringup.processes(options)}
        link = specs["go2_simulator"].parameters
        self._interface, self._domain = link["network_interface"], link["domain_id"]
        self._namespace = options.namespace
        self._walk_start = self._start = self._end = 0.0
        self._switched: float | None = None
        # From the keyboard's thread, which must not wait for a terminal whose output is blocked.
        self._unsaid: deque[str] = deque(maxlen=1)
        self._walking, self._fault = False, ""

    @property
    def window(self) -> Window:
        """When was measured."""
        return Window(self._start, self._end)

    def run(self) -> dict[str, Any]:
        """Return the report; raises ProcessDied, OperatorError or MeasurementError."""
        from diffusion_mpc_ros.nodes.recording_operator import RecordingOperator

        with RecordingOperator(self._namespace) as operator, operator.record_truth(self._interface, self._domain):
            self._operator, self._recording = operator, operator.recording
            self._observe(operator)
            with emergency_stop_key(self._emergency_stop) as has_key:
                if has_key:
                    self._console.print("space bar: emergency stop")
                with Progress(self._console, self._config.duration) as progress:
                    self._stand_up(progress)
                    self._walk(progress)
                    progress.phase("sitting down")
                    self._sit_down()
            return self._report()

    def _emergency_stop(self) -> None:
        """In the keyboard's thread."""
        from diffusion_mpc_ros.nodes.graph_client import OperatorError

        try:
            self._operator.emergency_stop()
        except OperatorError as error:
            self._unsaid.append(str(error))

    def _say_unsaid(self) -> None:
        if self._unsaid:
            self._console.print(self._unsaid.pop(), markup=False)

    def _stand_up(self, progress: Progress) -> None:
        from diffusion_mpc_ros.control.modes import Mode

        operator, recording = self._operator, self._recording
        operator.record()
        progress.phase("starting the processes")
        self._await(lambda: recording.commands and recording.plan_times and recording.truth, self.STARTED, "plans")
        progress.phase("standing up")
        operator.drive()
        operator.request("stand_up")
        self._await(lambda: operator.mode is Mode.STANDING, self.STOOD, "standing")
        operator.request("walk")
        self._await(lambda: operator.mode is Mode.WALKING, self.STOOD, "walking")
        self._walking = True

    def _walk(self, progress: Progress) -> None:
        """Walk and wait; notes when walking and measuring began and ended, and when the reward was switched."""
        progress.phase("walking")
        self._walk_start = time.monotonic()
        self._operator.command(self._asks(self._walk_start))
        try:
            self._wait_until(self._walk_start + self.SETTLE, progress)
            # A robot that falls at once is measured from its first step.
            self._start = self._walk_start if self._over() else time.monotonic()
            progress.measure(self._start)
            self._measure(progress)
        except KeyboardInterrupt:
            self._console.print("interrupted: sitting down")
        self._end = time.monotonic()
        self._fault = self._operator.fault
        if self._stopped_walking() and not self._fault:
            self._fault = f"the robot is {self._operator.mode.value} unasked; the output of the processes may say why"
        self._walking = False

    def _measure(self, progress: Progress) -> None:
        config = self._config
        if config.reward_preset:
            at = config.reward_at or 0.5 * config.duration
            self._wait_until(self._start + at, progress)
            if not self._over():
                self._switched = self._switch_reward()
        self._wait_until(self._start + (config.duration or math.inf), progress)

    def _switch_reward(self) -> float:
        from diffusion_mpc_ros.nodes.reward_requests import reward_request

        self._operator.set_rewards(reward_request(preset=self._config.reward_preset))
        return time.monotonic()

    def _sit_down(self) -> None:
        """Stop and sit down; damp a robot that has fallen, unless the supervisor already has."""
        from diffusion_mpc_ros.control.modes import Mode
        from diffusion_mpc_ros.nodes.graph_client import OperatorError

        self._operator.command(np.zeros(3))
        if self._operator.fault:
            return
        try:
            self._operator.request("damp" if self._fell() else "sit_down")
        except OperatorError as error:
            self._console.print(str(error), markup=False)
        self._await(lambda: self._operator.mode in (Mode.DAMPING, Mode.FAULT), self.SAT, "the robot lying")

    def _report(self) -> dict[str, Any]:
        walked = Window(self._walk_start, self._end)
        result = {**report(self._recording, walked, self.window), "fault": self._fault}
        if self._switched is not None and not self._over():
            after = Window(self._switched + self.REWARD_SETTLE, self._end)
            result["reward"] = {
                "preset": self._config.reward_preset,
                "before": gait(self._recording, Window(self._start, self._switched)),
                "after": gait(self._recording, after),
            }
        return result

    def _fell(self) -> bool:
        truth = self._recording.truth
        return bool(truth) and truth[-1].fallen

    def _await(self, condition, timeout: float, what: str) -> None:
        from diffusion_mpc_ros.nodes.graph_client import OperatorError

        deadline = time.monotonic() + timeout
        while not self._operator.wait(condition, 0.2):
            self._say_unsaid()
            self._child.check()
            if self._operator.fault:
                raise OperatorError(f"waited for {what}, but: {self._operator.fault}")
            if time.monotonic() > deadline:
                raise OperatorError(f"waited {timeout:.0f} s in vain for {what}; mode {self._operator.mode}")

    def _wait_until(self, end: float, progress: Progress) -> None:
        """Walk on until ``end`` [s, monotonic], a fall or a fault."""
        while time.monotonic() < end and not self._over():
            self._say_unsaid()
            self._child.check()
            self._operator.command(self._asks(time.monotonic()))
            self._operator.wait(self._over, min(0.1, max(end - time.monotonic(), 0.0)))
            progress.update()

    def _over(self) -> bool:
        return self._fell() or bool(self._operator.fault) or self._stopped_walking()

    def _stopped_walking(self) -> bool:
        from diffusion_mpc_ros.control.modes import Mode

        return self._walking and self._operator.mode is not Mode.WALKING
