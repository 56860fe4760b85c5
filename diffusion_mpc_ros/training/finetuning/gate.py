"""``diffusion-mpc train gate``: a finetuned artefact is published only where it walks as well as what it replaces.

Candidate and reference walk the same robots, grounds, pushes and noise, in every condition of config/training/gate.yaml
at every command. The candidate may be worse by the bound of that condition and no more; in the file's `new` conditions,
which it was finetuned for, it must not be worse at all. Where it passes in f32, it gets an int8 graph if the reference
has one, and has to pass with that as well, where this processor computes in int8. Then it goes to --output as a whole,
the comparison in its card. A planner that runs takes it over, and goes back, by `artefact load`.
Exit status: 0 published, 1 refused (what would be overwritten stays), 2 a setting does not fit.

examples:
  diffusion-mpc train gate --candidate runs/finetune/artefact --output models/go2_finetuned
  diffusion-mpc artefact load go2_finetuned      the running planner goes on with it
  diffusion-mpc artefact load go2                and back
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from diffusion_mpc_ros.artefacts.publish import publish_copy
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.int8 import INT8_MODEL_FILE
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.diffusion.processor import computes_in_int8
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.closed_loop import COMMANDS
from diffusion_mpc_ros.policies.condition_walks import Command, Trial, Walked, overall, walk
from diffusion_mpc_ros.policies.conditions import RANDOMISED, Condition
from diffusion_mpc_ros.policies.intervals import finite
from diffusion_mpc_ros.training import quantise

# Where the card keeps what the gate measured.
GATE_SCORES = "gate"
# What the nodes compute in: the second where there is a graph for it, before candidates are given up.
F32, INT8 = "f32", "int8"


@dataclass(frozen=True)
class Bound:
    """How much worse a candidate may be in ``condition`` than the reference.

    ``survival``: share of the robots; ``velocity_error`` [m/s]: in the mean over the commands; ``one_command`` [m/s]:
    at any single one.
    """

    condition: Condition
    survival: float = 0.0
    velocity_error: float = 0.005
    one_command: float = 0.015


def _bounds() -> tuple[Bound, ...]:
    return (
        Bound(Condition("flat")),
        Bound(Condition("pushes of 1 m/s", push_speed=1.0, push_exactly=True), survival=0.02, velocity_error=0.01),
        Bound(Condition("payload 3 kg", payload=(3.0, 3.0))),
        Bound(Condition("friction 0.4", friction=(0.4, 0.4)), survival=0.02),
        Bound(Condition("slope 6 deg", grounds=("slope:6",)), survival=0.02, velocity_error=0.01, one_command=0.03),
        Bound(RANDOMISED, survival=0.02),
    )


@dataclass(frozen=True)
class GateConfig:
    """``candidate`` against ``reference`` (names in models/, or folders), published in ``output``.

    ``robots`` for each of ``commands`` walk ``ticks`` in each condition; ``seed`` is one that no training used;
    ``backend``: auto, onnxruntime, openvino.
    """

    candidate: str = "runs/finetune/artefact"
    reference: str = "go2"
    output: Path = Path("models/go2_finetuned")
    old: tuple[Bound, ...] = field(default_factory=_bounds)
    new: tuple[Condition, ...] = ()
    commands: tuple[Command, ...] = COMMANDS
    robots: int = 16
    ticks: int = 400
    seed: int = 90_001
    threads: int = 2
    backend: str = "onnxruntime"

    def __post_init__(self) -> None:
        if not self.old or not self.commands or min(self.robots, self.ticks, self.threads) < 1:
            raise ConfigurationError(
                "the gate needs an old condition, a command, and robots, ticks, threads of 1 or more"
            )
        bounds = [(each.condition.name, each.survival, each.velocity_error, each.one_command) for each in self.old]
        bad = [name for name, *numbers in bounds if not all(0.0 <= number < math.inf for number in numbers)]
        if bad:
            raise ConfigurationError(f"the bounds of {', '.join(bad)} must be finite and not below 0")


@dataclass(frozen=True)
class Comparison:
    """Candidate, in ``precision``, and reference in a condition, at the same commands."""

    bound: Bound
    candidate: Sequence[Walked]
    reference: Sequence[Walked]
    precision: str = F32

    def refusals(self) -> list[str]:
        """Why the candidate is not published, in words: condition, figures, bound. Empty where it may be."""
        bound, name = self.bound, self.bound.condition.name
        name += f" in {self.precision}" if self.precision != F32 else ""
        (survival, error), (known_survival, known_error) = overall(self.candidate), overall(self.reference)
        reasons = []
        if survival < known_survival - bound.survival - 1e-9:
            reasons.append(
                f"{name}: survival {survival:.1%} where it was {known_survival:.1%}, "
                f"{bound.survival:.1%} less is allowed"
            )
        if _worse(error, known_error, bound.velocity_error):
            reasons.append(
                f"{name}: velocity error {error:.4f} m/s where it was {known_error:.4f}, "
                f"{bound.velocity_error:g} more is allowed"
            )
        reasons += [
            f"{name} at {'{:g} {:g} {:g}'.format(*now.command)}: velocity error {now.velocity_error:.4f} m/s where it "
            f"was {before.velocity_error:.4f}, {bound.one_command:g} more is allowed"
            for now, before in zip(self.candidate, self.reference)
            if _worse(now.velocity_error, before.velocity_error, bound.one_command)
        ]
        return reasons

    def to_json(self) -> dict[str, Any]:
        """Numbers, texts and lists only."""
        (survival, error), (known_survival, known_error) = overall(self.candidate), overall(self.reference)
        return {
            "condition": self.bound.condition.name,
            "precision": self.precision,
            "survival": survival,
            "velocity_error": finite(error),
            "reference_survival": known_survival,
            "reference_velocity_error": finite(known_error),
        }


def _worse(error: float, known: float, bound: float) -> bool:
    """Whether ``error`` is more than ``bound`` above ``known``; NaN, nobody lived to be measured, is worst of all."""
    return math.isnan(error) and not math.isnan(known) or error > known + bound + 1e-9


def compare(config: GateConfig, candidate: Prior, reference: Prior, precision: str = F32) -> list[Comparison]:
    """Let both walk in all conditions, old ones first; a reference without an int8 graph walks in f32."""
    trial = Trial(
        config.commands, config.robots, config.ticks, config.seed, config.threads, config.backend, precision=precision
    )
    known = trial if INT8_MODEL_FILE in reference.graphs else replace(trial, precision=F32)
    bounds = [*config.old, *(Bound(each, 0.0, 0.0, math.inf) for each in config.new)]
    return [
        Comparison(bound, walk(candidate, bound.condition, trial), walk(reference, bound.condition, known), precision)
        for bound in bounds
    ]


def table(comparisons: Sequence[Comparison]) -> Grid:
    """The comparison for the terminal."""
    rows = [comparison.to_json() for comparison in comparisons]
    text = lambda value: "-" if value is None else f"{value:.4f}"  # noqa: E731
    columns = (
        ("condition", lambda row: row["condition"]),
        ("survival", lambda row: f"{row['survival']:.1%}"),
        ("reference", lambda row: f"{row['reference_survival']:.1%}"),
        ("velocity error [m/s]", lambda row: text(row["velocity_error"])),
        ("reference [m/s]", lambda row: text(row["reference_velocity_error"])),
    )
    return Grid.of(f"Candidate and reference in {comparisons[0].precision}", columns, rows)


def passes(comparisons: Sequence[Comparison], console: Console) -> bool:
    """Print what was compared, and each reason against the candidate; whether there is none."""
    table(comparisons).print(console)
    refusals = [reason for comparison in comparisons for reason in comparison.refusals()]
    for reason in refusals:
        console.print(f"refused: {reason}", markup=False, soft_wrap=True)
    return not refusals


def main(config: GateConfig) -> int:
    """Compare and publish, or say why not; raises ArtefactError for an artefact that is not whole."""
    console = Console(highlight=False)
    candidate, reference = load(model_folder(config.candidate)), load(model_folder(config.reference))
    if candidate.path.resolve() == config.output.resolve():
        raise ConfigurationError(f"the candidate lies in {config.output} already: name another --output")
    comparisons = compare(config, candidate, reference)
    if not passes(comparisons, console):
        return 1
    if INT8_MODEL_FILE in reference.graphs and INT8_MODEL_FILE not in candidate.graphs:
        quantise.main(quantise.QuantiseConfig(str(candidate.path)))
        candidate = load(candidate.path)
    if INT8_MODEL_FILE in candidate.graphs and computes_in_int8():
        in_int8 = compare(config, candidate, reference, INT8)
        if not passes(in_int8, console):
            return 1
        comparisons += in_int8
    elif INT8_MODEL_FILE in candidate.graphs:
        console.print("not walked in int8: this processor does not compute in it")
    identity = publish(config, candidate, reference, comparisons)
    console.print(f"published {config.output}, sha256 {identity[:12]}", markup=False)
    console.print(f"a running planner takes it: diffusion-mpc artefact load {config.output}", markup=False)
    return 0


def publish(config: GateConfig, candidate: Prior, reference: Prior, comparisons: Sequence[Comparison]) -> str:
    """Put the candidate into ``config.output``, in one step, with what was compared in its card; -> its identity."""
    size = {"robots": config.robots, "ticks": config.ticks, "seed": config.seed, "commands": config.commands}
    measured = {
        "reference": reference.identity,
        "config": size,
        "rows": [comparison.to_json() for comparison in comparisons],
    }
    return publish_copy(candidate, config.output, {GATE_SCORES: measured})
