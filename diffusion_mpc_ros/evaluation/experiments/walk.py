"""Survival, tracking and effort of the asynchronous loop in the batch simulator, beside those of the demonstrator.

Every pair of --delays (D) and --replans (R; 0 stands for the paper's H - D) is a loop. Robots stand side by side, so
many for each command; errors are those of every tick, so that the sway of the trot counts.

examples:
  diffusion-mpc evaluate walk --robots 16 --ticks 300
  diffusion-mpc evaluate walk --json docs/results/walk.json
  PYTHONPATH=examples diffusion-mpc evaluate walk --planner new_planner:make --no-with-demonstrator
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from diffusion_mpc_ros.artefacts.publish import add_scores
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation.commanded import CommandedExperiment, command_text
from diffusion_mpc_ros.evaluation.experiment import Report, number
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planning import PlannerExperiment, timing_of
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.policies.closed_loop import COMMANDS, AsynchronousController, WalkScores
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.realtime.velocity_feedback import VELOCITY_FEEDBACK
from diffusion_mpc_ros.simulation.ground.ground import Ground

DEMONSTRATOR = "demonstrator"
SCORES = {
    "survival": "{:.1%}", "velocity_error": "{:.3f}", "yaw_rate_error": "{:.3f}", "tracking_score": "{:.3f}",
    "base_height": "{:.3f}", "torque_rms": "{:.2f}", "power": "{:.0f}", "joint_vel_squared": "{:.1f}",
}  # fmt: skip

# D and R, or None for the demonstrator.
Loop = tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class Config(CommandedExperiment, PlannerExperiment):
    """Which loops, on how many robots, and where the results go."""

    command = "evaluate walk"
    title = "Walk"
    size = "{robots} robots x {ticks} ticks on {ground}, N = {candidates}, seed {seed}"
    unit = "loop"

    demonstrator: str = "demonstrator"
    """Demonstrator: its name in models/, or a path to its folder."""
    delays: tuple[int, ...] = (0, 3, 3)
    """Replan margins D, each paired with the replan interval at its place."""
    replans: tuple[int, ...] = (1, Timing().replan_interval, 0)
    """Replan intervals R [ticks]; 0: H - D."""
    robots: int = 256
    """Robots for each command."""
    ticks: int = 1000
    """Control ticks that they walk; the first 100 do not count."""
    with_demonstrator: bool = True
    """Let the demonstrator walk too."""
    ground: str = "flat"
    """What they walk on: NAME[:DIFFICULTY][@SEED] (docs/ground.md)."""
    sampling: SamplingOptions = field(default_factory=lambda: SamplingOptions(candidates=1))
    hold_committed: bool = True
    """Hold committed actions fixed while sampling, as the planner does by default."""
    backend: str = "onnxruntime"
    """Inference backend: auto, onnxruntime, openvino."""
    precision: str = "f32"
    """f32, bf16, int8."""
    velocity_feedback: float = VELOCITY_FEEDBACK
    """Gain of the velocity feedback [1/s], see planner.velocity_feedback; 0: none."""
    record: bool = False
    """Write the rows into the artefact's card as well."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.delays) != len(self.replans):
            raise ConfigurationError(f"as many delays as replans are needed, got {self.delays} and {self.replans}")

    @property
    def head(self) -> dict[str, Any]:
        sampling = {name: getattr(self.sampling, name) for name in ("candidates", "sampler", "steps")}
        others = {} if self.commands == COMMANDS else {"commands": self.commands}
        names = ("robots", "ticks", "seed", "hold_committed", "backend", "precision", "velocity_feedback")
        ground = str(Ground.parse(self.ground))
        return {**self.head_of(*names, **sampling, **others, ground=ground), "machine": describe_machine()}

    def cells(self) -> list[Loop]:
        loops = zip(self.delays, [replan or self.horizon - delay for delay, replan in zip(self.delays, self.replans)])
        return [*([None] if self.with_demonstrator else []), *dict.fromkeys(loops)]

    @cached_property
    def shared_planner(self) -> Planner:
        """The planner, loaded once; taken ``at`` each timing."""
        return self.make_planner(
            0, 1, self.sampling, hold_committed=self.hold_committed, backend=self.backend, precision=self.precision
        )

    def labels(self, cell: Loop) -> dict[str, Any]:
        delay, replan = cell or (None, None)
        controller = self.shared_planner.name if cell else DEMONSTRATOR
        return {"controller": controller, "delay": delay, "replan": replan}

    def run(self, cell: Loop) -> Sequence[Row]:
        scores = self.walk_loop(*cell) if cell else self.walk_demonstrator()
        return [{**self.labels(cell), **row} for row in self.by_command(scores)]

    def walk_loop(self, delay: int, replan: int) -> WalkScores:
        """Under the planner at D and R."""
        planner = self.shared_planner.at(timing_of(self.horizon, delay, replan))
        controller = AsynchronousController(planner, velocity_feedback=self.velocity_feedback)
        return self.walk(controller, f"D={delay} R={replan}", ground=Ground.parse(self.ground))

    def walk_demonstrator(self) -> WalkScores:
        """Under the demonstrator, in the default gait."""
        policy = DemonstratorPolicy(model_folder(self.demonstrator), self.threads)
        gait = GaitCommand.default(self.robots * len(self.commands))
        return self.walk(DemonstratorWalker(policy, gait), DEMONSTRATOR, ground=Ground.parse(self.ground))

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            ("controller", lambda row: row["controller"]),
            *((name, lambda row, key=key: number(row[key], "{}")) for name, key in (("D", "delay"), ("R", "replan"))),
            ("command", lambda row: command_text(row["command"])),
            *((key.replace("_", " "), lambda row, key=key: number(row[key], SCORES[key])) for key in SCORES),
        )
        return [Grid.of(self.size.format(**report["config"]), columns, report["rows"])]

    def conduct(self) -> int:
        report = self.measure()
        self.publish(report)
        if self.record:
            walk = {key: report[key] for key in ("config", "machine", "rows")}
            add_scores(model_folder(self.artefact), {"walk": walk})
        return 0
