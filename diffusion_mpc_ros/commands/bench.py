"""Plan latency of a model artefact on this machine, beside what torch and the matrix products alone take.

Every case (backend, precision, candidates N, denoising steps K, all reward terms or none, threads) is measured in a
process of its own. The whole grid takes hours at 2000 plans: --json writes every row at once, and the same command goes
on with the rows that are missing. How to read the table: docs/performance.md.

examples:
  diffusion-mpc bench planner --quick
  diffusion-mpc bench planner --plans 2000 --json bench.json
  diffusion-mpc bench planner --candidates 10 --steps 10 --threads 1 --backends openvino --no-references
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.inference import PRECISIONS, choose_backend, has_openvino
from diffusion_mpc_ros.diffusion.int8 import int8_artefact
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planner_bench import Combination, in_own_process, measure_planner
from diffusion_mpc_ros.evaluation.report_file import ReportFile, matches

COMMAND = "bench planner"
# Largest difference of a joint target [rad] between product and reference that f32 arithmetic explains.
PARITY_TOLERANCE = 1e-4
# A reference is measured on so many plans for each plan of the product's, and on no fewer than that.
REFERENCE_SHARE, MIN_REFERENCE_PLANS = 0.1, 10


@dataclass(frozen=True)
class Config:
    """What to measure: every combination."""

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
    json: Path | None = None
    """Write the report to this file after every row; rows of the same artefact and processor that it holds are kept."""

    def __post_init__(self) -> None:
        if self.quick:
            smaller = {"plans": 50, "candidates": (1, 10), "steps": (3, 10), "threads": (1,), "compiled": False}
            for name, value in smaller.items():
                object.__setattr__(self, name, value)
        for name in ("plans", "candidates", "steps", "threads"):
            values = np.atleast_1d(getattr(self, name))
            if not len(values) or values.min() < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {getattr(self, name)}")


def main(config: Config) -> int:
    """Measure, print, write the JSON report; 1 when an f32 plan is not the reference's."""
    report = measure(config)
    print_report(report)
    differing = [row for row in report["rows"] if row["precision"] == "f32" and _differs(row)]
    if differing:
        print(f"{len(differing)} f32 rows differ from the reference by more than {PARITY_TOLERANCE:.0e} rad")
    return 1 if differing else 0


def measure(config: Config) -> dict[str, Any]:
    """The report: ``machine``, ``processor``, ``artefact`` (SHA-256), ``plans``, ``skipped`` and ``rows``.

    A row's ``load_average`` is that of the last minute before it: processes that ran beside this one spoil it.
    """
    kinds, skipped = _kinds(config)
    machine = describe_machine()
    threads = [number for number in config.threads if number <= machine["cores"]]
    skipped += [f"{number} threads: this process has {machine['cores']} cores" for number in config.threads
                if number not in threads]  # fmt: skip
    references = config.references
    if references and not all(map(importlib.util.find_spec, ("torch", "onnx"))):
        skipped.append("torch, torch.compile and matrix products: torch or onnx is not installed (`make setup-train`)")
        references = False
    wanted = {"references": references, "compiled": references and config.compiled}
    head = {
        "machine": machine, "processor": machine["processor"],
        "artefact": Combination(config.artefact, 1, 1, False, 1, 1).load().identity, "plans": config.plans,
    }  # fmt: skip
    file = ReportFile(config.json, COMMAND, head)
    cases = [
        Combination(config.artefact, candidates, steps, guided, count, config.plans)
        for candidates, steps, guided, count in product(config.candidates, config.steps, (False, True), threads)
    ]
    for case in tqdm(cases, desc="cases", unit="case", disable=None):
        missing = [kind for kind in kinds if not _is_known(file.rows, _labels(case, *kind), wanted)]
        reference = _measure_references(case, config.compiled, skipped) if missing and references else {}
        for kind in missing:
            row = {**_row(case, *kind, reference), **wanted}
            file.rows[:] = [known for known in file.rows if not matches(known, _labels(case, *kind))]
            file.add(row)
    return {**file.report, "skipped": list(dict.fromkeys(skipped))}


def _kinds(config: Config) -> tuple[list[tuple[str, str]], list[str]]:
    """The backends with a precision each has here, and what is left out."""
    installed = ("onnxruntime", "openvino") if has_openvino() else ("onnxruntime",)
    backends = [choose_backend(name) for name in config.backends or installed]
    unknown = [name for name in config.precisions if name not in PRECISIONS]
    if unknown:
        raise ConfigurationError(f"unknown precisions {unknown}; valid precisions: {', '.join(PRECISIONS)}")
    skipped = [] if has_openvino() else ["openvino: not installed (requirements/openvino.txt)"]
    kinds = []
    for backend, precision in product(backends, config.precisions):
        if precision == "f32":
            kinds.append((backend, precision))
        elif precision == "int8":
            reason = _int8_is_missing(config.artefact)
            skipped += [f"{backend} int8: {reason}"] if reason else []
            kinds += [] if reason else [(backend, precision)]
        elif backend != "openvino":
            skipped.append(f"{backend} {precision}: this backend computes in f32 and int8")
        elif not in_own_process(_openvino_computes_in, precision):
            skipped.append(f"{backend} {precision}: this processor does not compute in it")
        else:
            kinds.append((backend, precision))
    return kinds, skipped


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


def _measure_references(case: Combination, compiled: bool, skipped: list[str]) -> dict[str, Any]:
    plans = max(MIN_REFERENCE_PLANS, round(REFERENCE_SHARE * case.plans))
    case = Combination(case.artefact, case.candidates, case.steps, case.guided, case.threads, plans, case.seed)
    result = in_own_process(_reference, "measure_reference", case)
    if compiled:
        compilation = in_own_process(_reference, "measure_compiled", case)
        if "skipped" in compilation:
            skipped.append(f"torch.compile: {compilation.pop('skipped')}")
        result.update(compilation)
    return result


def _reference(name: str, case: Combination) -> dict[str, Any]:
    """In the case's own process: the only one that loads torch."""
    from diffusion_mpc_ros.evaluation import reference_bench
    from diffusion_mpc_ros.training.weights import load_networks

    measure_one: Callable[..., dict[str, Any]] = getattr(reference_bench, name)
    return measure_one(case, load_networks)


def _labels(case: Combination, backend: str, precision: str) -> dict[str, Any]:
    """What identifies a row."""
    return {
        "backend": backend, "precision": precision, "candidates": case.candidates, "steps": case.steps,
        "sampler": case.sampler, "guided": case.guided, "threads": case.threads,
    }  # fmt: skip


def _is_known(rows: list[dict[str, Any]], labels: dict[str, Any], wanted: dict[str, bool]) -> bool:
    """Whether the row was measured, and with as many references as are ``wanted`` now."""
    return any(matches(row, labels) and all(row[name] >= value for name, value in wanted.items()) for row in rows)


def _row(case: Combination, backend: str, precision: str, reference: dict[str, Any]) -> dict[str, Any]:
    load = os.getloadavg()[0]
    measured = in_own_process(measure_planner, case, backend, precision)
    targets = measured.pop("joint_targets")
    row = {**_labels(case, backend, precision), "load_average": load, **measured}
    p50 = measured["p50_ms"]
    names = ("flops", "torch_ms", "torch_compile_ms", "gemm_ms", "gemm_same_shapes_ms")
    row.update({name: reference.get(name) for name in names})
    row["ratio_torch"] = reference["torch_ms"] / p50 if reference else None
    row["ratio_torch_compile"] = reference["torch_compile_ms"] / p50 if "torch_compile_ms" in reference else None
    row["ratio_gemm"] = p50 / reference["gemm_ms"] if reference else None
    row["plan_difference_rad"] = float(np.abs(targets - reference["joint_targets"]).max()) if reference else None
    return {name: float(value) if isinstance(value, np.floating) else value for name, value in row.items()}


def _differs(row: dict[str, Any]) -> bool:
    difference = row["plan_difference_rad"]
    return difference is not None and not difference <= PARITY_TOLERANCE


def print_report(report: dict[str, Any]) -> None:
    """The rows as a table."""
    columns = {
        "min, ms": ("min_ms", "{:.2f}"), "p50": ("p50_ms", "{:.2f}"), "p90": ("p90_ms", "{:.2f}"),
        "p99": ("p99_ms", "{:.2f}"), "max": ("max_ms", "{:.2f}"), "MiB": ("memory_mib", "{:.0f}"),
        "torch /": ("ratio_torch", "{:.1f}"), "compiled /": ("ratio_torch_compile", "{:.1f}"),
        "/ GEMM": ("ratio_gemm", "{:.2f}"), "diff., rad": ("plan_difference_rad", "{:.0e}"),
    }  # fmt: skip
    load = max((row["load_average"] for row in report["rows"]), default=0.0)
    table = Table(title=f"{report['plans']} plans a row; {report['processor']}, load average at most {load:.1f} before")
    for heading in ("backend", "N", "K", "guided", "threads", *columns):
        table.add_column(heading, justify="left" if heading == "backend" else "right", no_wrap=True)
    for row in report["rows"]:
        labels = (f"{row['backend']} {row['precision']}", row["candidates"], f"{row['steps']} {row['sampler']}")
        values = ("-" if row[key] is None else form.format(row[key]) for key, form in columns.values())
        table.add_row(*map(str, labels), "yes" if row["guided"] else "no", str(row["threads"]), *values)
    console = Console(width=160)
    console.print(table)
    for reason in report["skipped"]:
        console.print(f"left out: {reason}")
