"""The data sheet of a collected dataset: coverage of every dimension, falls, source; as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.core.files import file_sha256, write_text_atomically
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.trajectory import BASE_ANG_VEL, COMMAND, PROJECTED_GRAVITY
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS, SwingMeter, is_moving
from diffusion_mpc_ros.training.dataset import TrajectoryDataset, count_falls
from diffusion_mpc_ros.training.provenance import source_commit

NAME = "data_sheet"
# Velocities, heights and power are averaged over so many ticks, a few cycles of the gait: its sway is no coverage.
BLOCK_TICKS = 50
BINS = 10
SPEED_EDGES = (0.1, 0.3, 0.6, 0.9, 1.2)  # [m/s]; the last bin is open
DIRECTIONS = (
    "forward", "forward left", "left", "backward left", "backward", "backward right", "right", "forward right"
)  # fmt: skip
LABELS = ("observation", "fresh", "base_height", "foot_height", "base_lin_vel", "mechanical_power")
FACTS = ("gait", "payload_mass", "payload_position", "friction", "motor_strength", "latency", "noise")
UNITS = {
    "commanded vx": "m/s", "commanded vy": "m/s", "commanded yaw rate": "rad/s", "vx": "m/s", "vy": "m/s",
    "yaw rate": "rad/s", "mechanical power": "W", "payload mass": "kg", "payload x": "m", "payload y": "m",
    "payload z": "m", "friction": "-", "motor strength": "-", "latency": "s", "action noise": "0.25 rad",
    **{name: parameter.unit for name, parameter in GAIT_PARAMETERS.items()},
    **{f"commanded {name}": parameter.unit for name, parameter in GAIT_PARAMETERS.items()},
}  # fmt: skip


def write(dataset: TrajectoryDataset) -> None:
    """Write ``data_sheet.json`` and ``data_sheet.md`` into the dataset's folder."""
    sheet = describe(dataset)
    write_text_atomically(dataset.path / f"{NAME}.json", json.dumps(sheet, indent=1, allow_nan=False) + "\n")
    write_text_atomically(dataset.path / f"{NAME}.md", markdown(sheet))


def describe(dataset: TrajectoryDataset) -> dict[str, Any]:
    """Return the sheet as a dictionary; one part in memory at a time."""
    names = list(dataset.attributes["gait"])
    samples: dict[str, list[np.ndarray]] = {}
    ticks = falls = settling = without_fall = 0
    for part in tqdm(dataset.read_parts((*LABELS, *FACTS)), total=dataset.parts, desc="data sheet", unit="part"):
        fresh = part["fresh"]
        ticks, falls, settling = ticks + fresh.size, falls + count_falls(fresh), settling + int(fresh[:, 1:].sum())
        without_fall += int((~fresh[:, 1:].any(axis=1)).sum())
        for name, values in {**_blocks(part), **_trajectories(part, names)}.items():
            samples.setdefault(name, []).append(values)
    joined = {name: np.concatenate(values) for name, values in samples.items()}
    return {
        "source": {
            "demonstrator_sha256": dataset.attributes["demonstrator_sha256"],
            "source_commit": source_commit(),
            "parts": {file.name: file_sha256(file) for file in dataset.files},
            "settings": dataset.attributes,
        },
        "trajectories": len(joined["friction"]),
        "ticks": ticks,
        "falls": {
            "count": falls,
            "per_hour": falls / (ticks * CONTROL_DT / 3600.0),
            "trajectories_without": without_fall,
            "settling_ticks": settling,
        },
        "gait_errors": {name: _gait_error(joined[f"commanded {name}"], joined[name]) for name in names},
        "speeds": _speeds(joined["vx"], joined["vy"]),
        "dimensions": {name: {"unit": UNITS[name], **summary(values)} for name, values in joined.items()},
    }


def _trajectories(part: Mapping[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    """One number a trajectory (a motor): facts, and the gait really walked, averaged over the settled ticks."""
    settled = ~part["fresh"]
    command = part["observation"][..., COMMAND]
    meter = SwingMeter(len(settled))
    for tick in range(settled.shape[1]):
        meter.update(part["foot_height"][:, tick], settled[:, tick] & is_moving(command[:, tick]))
    gravity_x = part["observation"][..., PROJECTED_GRAVITY][..., 0]
    count = np.maximum(settled.sum(axis=1), 1)
    return {
        **{f"commanded {name}": part["gait"][:, column] for column, name in enumerate(names)},
        "base_height": (part["base_height"] * settled).sum(axis=1) / count,
        "pitch": np.arcsin(np.clip((gravity_x * settled).sum(axis=1) / count, -1.0, 1.0)),
        "step_frequency": meter.frequency,
        "swing_height": meter.lift,
        "payload mass": part["payload_mass"],
        **{f"payload {axis}": part["payload_position"][:, column] for column, axis in enumerate("xyz")},
        "friction": part["friction"],
        "motor strength": part["motor_strength"].ravel(),
        "latency": part["latency"],
        "action noise": part["noise"],
    }


def _blocks(part: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One number for every BLOCK_TICKS ticks of a life: means; commands as they are at the block's first tick."""
    episodes, length = part["fresh"].shape
    count = length // BLOCK_TICKS

    def blocks(values: np.ndarray) -> np.ndarray:
        return values[:, : count * BLOCK_TICKS].reshape(episodes, count, BLOCK_TICKS, *values.shape[2:])

    one_life = ~blocks(part["fresh"])[:, :, 1:].any(axis=2)
    command = blocks(part["observation"][..., COMMAND])[:, :, 0][one_life]
    velocity = blocks(part["base_lin_vel"]).mean(axis=2)[one_life]
    yaw_rate = blocks(part["observation"][..., BASE_ANG_VEL]).mean(axis=2)[one_life][:, 2]
    return {
        "commanded vx": command[:, 0],
        "commanded vy": command[:, 1],
        "commanded yaw rate": command[:, 2],
        "vx": velocity[:, 0],
        "vy": velocity[:, 1],
        "yaw rate": yaw_rate,
        "mechanical power": blocks(part["mechanical_power"]).mean(axis=2)[one_life],
    }


def summary(values: np.ndarray) -> dict[str, Any]:
    """Count, mean, percentiles and a histogram of the finite ``values (n,)``; None where there are none."""
    values = values[np.isfinite(values)].astype(np.float64)
    if not len(values):
        return {"count": 0, "mean": None, "percentiles": None, "histogram": None}
    counts, edges = np.histogram(values, BINS)
    low, p5, p50, p95, high = np.percentile(values, [0, 5, 50, 95, 100]).tolist()
    return {
        "count": len(values),
        "mean": float(values.mean()),
        "percentiles": {"min": low, "5": p5, "50": p50, "95": p95, "max": high},
        "histogram": {"counts": counts.tolist(), "edges": edges.tolist()},
    }


def _gait_error(commanded: np.ndarray, walked: np.ndarray) -> dict[str, Any]:
    """Mean absolute error and bias of what was walked; None where no trajectory says."""
    error = (walked - commanded)[np.isfinite(walked)].astype(np.float64)
    if not len(error):
        return {"mean_absolute_error": None, "bias": None}
    return {"mean_absolute_error": float(np.abs(error).mean()), "bias": float(error.mean())}


def _speeds(vx: np.ndarray, vy: np.ndarray) -> dict[str, Any]:
    """How many blocks were walked in each of eight directions at each speed."""
    speed, sector = np.hypot(vx, vy), np.round(np.arctan2(vy, vx) / (np.pi / 4)).astype(int) % len(DIRECTIONS)
    edges = [*SPEED_EDGES, np.inf]
    counts = {name: np.histogram(speed[sector == index], edges)[0].tolist() for index, name in enumerate(DIRECTIONS)}
    return {"edges": list(SPEED_EDGES), "standing": int((speed < SPEED_EDGES[0]).sum()), "counts": counts}


def markdown(sheet: dict[str, Any]) -> str:
    """Return the sheet for readers."""
    source, falls = sheet["source"], sheet["falls"]
    lines = [
        "# Data sheet",
        "",
        f"`diffusion-mpc train collect`: {sheet['trajectories']} trajectories, {sheet['ticks']} control ticks of "
        f"{CONTROL_DT} s, of {' and '.join(name[:12] for name in source['demonstrator_sha256'])}, source "
        f"{source['source_commit']}. "
        f"Falls: {falls['count']}, {falls['per_hour']:.0f} an hour; {falls['trajectories_without']} trajectories "
        f"without one; {falls['settling_ticks']} ticks are left out of the windows while robots settle after them. "
        f"Gaits are held over a trajectory. Settings and the hash of every part: `{NAME}.json`.",
        "",
        f"Velocities and power are means over blocks of {BLOCK_TICKS} ticks, a gait is the mean over a trajectory: "
        "what was commanded, and what was walked.",
    ]
    return "\n".join(lines) + "\n\n" + "\n".join(grid.markdown() for grid in grids(sheet))


def grids(sheet: dict[str, Any]) -> list[Grid]:
    """Coverage, speeds by direction, and how well the gaits were kept."""
    coverage = [[name, *_coverage_cells(entry)] for name, entry in sheet["dimensions"].items()]
    speeds = sheet["speeds"]
    edges = [*(f"{edge:g}" for edge in speeds["edges"]), ""]
    headings = [f"{low} to {high}" if high else f"over {low}" for low, high in zip(edges, edges[1:])]
    rows = [[name, *map(str, counts)] for name, counts in speeds["counts"].items()]
    errors = [
        [name, UNITS[name], *("-" if value is None else f"{value:.3f}" for value in entry.values())]
        for name, entry in sheet["gait_errors"].items()
    ]
    return [
        Grid("Coverage", ("dimension", "unit", "min", "5 %", "50 %", "95 %", "max", "histogram"), coverage),
        Grid(f"Blocks walked by direction and speed [m/s]; standing: {speeds['standing']}", ("", *headings), rows),
        Grid("The gaits that were walked", ("parameter", "unit", "mean absolute error", "bias"), errors),
    ]


def _coverage_cells(entry: dict[str, Any]) -> list[str]:
    if not entry["count"]:
        return [entry["unit"], *["-"] * 6]
    counts = entry["histogram"]["counts"]
    bars = "".join("▁▂▃▄▅▆▇█"[round(7 * count / max(counts))] for count in counts)
    return [entry["unit"], *(f"{value:.3g}" for value in entry["percentiles"].values()), bars]
