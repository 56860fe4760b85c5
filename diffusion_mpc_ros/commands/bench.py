"""Plan latency of a model artefact on this machine, beside what torch and the matrix products alone take.

Every case (backend, precision, candidates N, denoising steps K, all reward terms or none, threads) is measured in a
process of its own. The whole grid takes hours at 2000 plans: with --json the same command goes on where
it was. How to read the table: docs/performance.md.

examples:
  diffusion-mpc bench planner --quick
  diffusion-mpc bench planner --plans 2000 --json bench.json
  diffusion-mpc bench planner --candidates 10 --steps 10 --threads 1 --backends openvino --no-references
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.inference import PRECISIONS, choose_backend, has_openvino
from diffusion_mpc_ros.diffusion.int8 import int8_artefact
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.experiment import Experiment, Report, number
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planner_bench import Combination, in_own_process, measure_planner
from diffusion_mpc_ros.evaluation.report_file import Row, matches
from diffusion_mpc_ros.grid import Grid

# Largest difference of a joint target [rad] between product and reference that f32 arithmetic explains.
PARITY_TOLERANCE = 1e-4
# A reference is measured on so many plans for each plan of the product's, and on no fewer than that.
REFERENCE_SHARE, MIN_REFERENCE_PLANS = 0.1, 10
# Heading -> key and format.
FIGURES = {
    "min, ms": ("min_ms", "{:.2f}"), "p50": ("p50_ms", "{:.2f}"), "p90": ("p90_ms", "{:.2f}"),
    "p99": ("p99_ms", "{:.2f}"), "max": ("max_ms", "{:.2f}"), "MiB": ("memory_mib", "{:.0f}"),
    "torch /": ("ratio_torch", "{:.1f}"), "compiled /": ("ratio_torch_compile", "{:.1f}"),
    "/ GEMM": ("ratio_gemm", "{:.2f}"), "diff., rad": ("plan_difference_rad", "{:.0e}"),
}  # fmt: skip

# What is measured, on which backend in which precision.
Cell = tuple[Combination, str, str]


@dataclass(frozen=True, kw_only=True)
class Config(Experiment):
    """What to measure: every combination."""

    command = "bench planner"
    title = "Plan latency"
    size = "{plans} plans a row"

    artefact: str = "go2"
    """Model artefact: its name in models/, or a path to its folder."""
    plans: int = 200
    """Plans to time in each case; 2000 for the record."""
    candidates: tuple[int, ...] = (1, 10, 32, 100)
    """Numbers of candidates N."""
    steps: tuple[int, ...] = (3, 5, 10)
    """Denoising steps K; fewer than 5 with DDIM, else DDPM."""
    threads: tuple[int, ...] = (1, 2)
    """Threads of the backend and of torch."""
    backends: tuple[str, ...] = ()
    """onnxruntime, openvino; default: what is installed."""
    precisions: tuple[str, ...] = PRECISIONS
    """f32, bf16, int8; what backend, processor or artefact lacks is left out."""
    references: bool = True
    """Measure torch and the matrix products too (needs `make setup-train`)."""
    compiled: bool = True
    """Measure torch.compile too; compiling takes up to a minute a case."""
    quick: bool = False
    """A first look: N = 1 and 10, K = 3 and 10, one thread, 50 plans, no torch.compile."""

    def __post_init__(self) -> None:
        if self.quick:
            smaller = {"plans": 50, "candidates": (1, 10), "steps": (3, 10), "threads": (1,), "compiled": False}
            for name, value in smaller.items():
                object.__setattr__(self, name, value)
        self.refuse_below_one("plans", "candidates", "steps", "threads")

    @property
    def head(self) -> dict[str, Any]:
        machine, artefact = describe_machine(), load(model_folder(self.artefact)).identity
        return {"machine": machine, "processor": machine["processor"], "artefact": artefact, "plans": self.plans}

    @cached_property
    def skipped(self) -> list[str]:
        """What is left out, and why."""
        return []

    @cached_property
    def wanted(self) -> dict[str, bool]:
        """Which references every row is to have."""
        there = all(map(importlib.util.find_spec, ("torch", "onnx")))
        if self.references and not there:
            self.skipped.append(
                "torch, torch.compile and matrix products: torch or onnx is not installed (`make setup-train`)"
            )
        references = self.references and there
        return {"references": references, "compiled": references and self.compiled}

    def cells(self) -> list[Cell]:
        cores = describe_machine()["cores"]
        kinds, threads = self.kinds, [count for count in self.threads if count <= cores]
        too_many = [count for count in self.threads if count > cores]
        self.skipped.extend(f"{count} threads: this process has {cores} cores" for count in too_many)
        cases = product(self.candidates, self.steps, (False, True), threads)
        return [(Combination(self.artefact, *case, self.plans), *kind) for case in cases for kind in kinds]

    @cached_property
    def kinds(self) -> list[tuple[str, str]]:
        """The backends with a precision each has here."""
        installed = ("onnxruntime", "openvino") if has_openvino() else ("onnxruntime",)
        backends = [choose_backend(name) for name in self.backends or installed]
        unknown = [name for name in self.precisions if name not in PRECISIONS]
        if unknown:
            raise ConfigurationError(f"unknown precisions {unknown}; valid precisions: {', '.join(PRECISIONS)}")
        self.skipped.extend([] if has_openvino() else ["openvino: not installed (requirements/openvino.txt)"])
        kinds = []
        for backend, precision in product(backends, self.precisions):
            obstacle = _obstacle(self.artefact, backend, precision)
            if obstacle:
                self.skipped.append(f"{backend} {precision}: {obstacle}")
            else:
                kinds.append((backend, precision))
        return kinds

    def labels(self, cell: Cell) -> dict[str, Any]:
        case, backend, precision = cell
        return {
            "backend": backend, "precision": precision, "candidates": case.candidates, "steps": case.steps,
            "sampler": case.sampler, "guided": case.guided, "threads": case.threads,
        }  # fmt: skip

    @cached_property
    def asked(self) -> list[dict[str, Any]]:
        """The labels of all rows that are asked for."""
        return [self.labels(cell) for cell in self.cells()]

    def outdated(self, row: Row) -> bool:
        """Return a row that is asked for and has fewer references than are wanted now."""
        fewer = any(row[name] < value for name, value in self.wanted.items())
        return fewer and any(matches(row, labels) for labels in self.asked)

    @cached_property
    def measured_references(self) -> dict[Combination, dict[str, Any]]:
        """Those of the cases so far."""
        return {}

    def reference(self, case: Combination) -> dict[str, Any]:
        """Torch and the matrix products, once for all kinds; empty where they are not wanted."""
        if not self.wanted["references"]:
            return {}
        if case not in self.measured_references:
            plans = max(MIN_REFERENCE_PLANS, round(REFERENCE_SHARE * case.plans))
            result = in_own_process(_reference, "measure_reference", replace(case, plans=plans))
            if self.compiled:
                compilation = in_own_process(_reference, "measure_compiled", replace(case, plans=plans))
                if "skipped" in compilation:
                    self.skipped.append(f"torch.compile: {compilation.pop('skipped')}")
                result.update(compilation)
            self.measured_references[case] = result
        return self.measured_references[case]

    def run(self, cell: Cell) -> Row:
        """``load_average``: of the last minute before: processes that ran beside this one spoil the row."""
        case, backend, precision = cell
        reference, load_average = self.reference(case), os.getloadavg()[0]
        measured = in_own_process(measure_planner, case, backend, precision)
        targets, p50 = measured.pop("joint_targets"), measured["p50_ms"]
        names = ("flops", "torch_ms", "torch_compile_ms", "gemm_ms", "gemm_same_shapes_ms")
        row = {
            **self.labels(cell), "load_average": load_average, **measured,
            **{name: reference.get(name) for name in names},
            "ratio_torch": reference["torch_ms"] / p50 if reference else None,
            "ratio_torch_compile": reference["torch_compile_ms"] / p50 if "torch_compile_ms" in reference else None,
            "ratio_gemm": p50 / reference["gemm_ms"] if reference else None,
            "plan_difference_rad": np.abs(targets - reference["joint_targets"]).max() if reference else None,
            **self.wanted,
        }  # fmt: skip
        return {name: float(value) if isinstance(value, np.floating) else value for name, value in row.items()}

    def status(self, report: Report) -> int:
        """1 when an f32 plan is not the reference's."""
        differing = [row for row in report["rows"] if row["precision"] == "f32" and _differs(row)]
        if differing:
            print(f"{len(differing)} f32 rows differ from the reference by more than {PARITY_TOLERANCE:.0e} rad")
        return 1 if differing else 0

    def grids(self, report: Report) -> list[Grid]:
        load_average = max((row["load_average"] for row in report["rows"]), default=0.0)
        columns = (
            ("backend", lambda row: f"{row['backend']} {row['precision']}"),
            ("N", lambda row: str(row["candidates"])),
            ("K", lambda row: f"{row['steps']} {row['sampler']}"),
            ("guided", lambda row: "yes" if row["guided"] else "no"),
            ("threads", lambda row: str(row["threads"])),
            *((heading, lambda row, how=how: number(row[how[0]], how[1])) for heading, how in FIGURES.items()),
        )
        title = f"{report['plans']} plans a row; {report['processor']}, load average at most {load_average:.1f} before"
        return [Grid.of(title, columns, report["rows"])]

    def publish(self, report: Report) -> None:
        super().publish(report)
        for reason in dict.fromkeys(self.skipped):
            print(f"left out: {reason}")


def _obstacle(artefact: str, backend: str, precision: str) -> str:
    """Why the backend does not compute in this precision here, "" where it does."""
    if precision == "f32":
        return ""
    if precision == "int8":
        return _int8_is_missing(artefact)
    if backend != "openvino":
        return "this backend computes in f32 and int8"
    return "" if in_own_process(_openvino_computes_in, precision) else "this processor does not compute in it"


def _int8_is_missing(artefact: str) -> str:
    """Why artefact or processor has no int8, "" where there is."""
    try:
        int8_artefact(load(model_folder(artefact)))
    except ConfigurationError as error:
        return str(error)
    return ""


def _openvino_computes_in(precision: str) -> bool:
    from diffusion_mpc_ros.diffusion.openvino_backend import computes_in

    return computes_in(precision)


def _reference(name: str, case: Combination) -> dict[str, Any]:
    """In the case's own process: the only one that loads torch."""
    from diffusion_mpc_ros.evaluation import reference_bench
    from diffusion_mpc_ros.training.weights import load_networks

    measure_one: Callable[..., dict[str, Any]] = getattr(reference_bench, name)
    return measure_one(case, load_networks)


def _differs(row: dict[str, Any]) -> bool:
    difference = row["plan_difference_rad"]
    return difference is not None and not difference <= PARITY_TOLERANCE
