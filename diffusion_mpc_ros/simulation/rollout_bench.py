"""Physics steps a second of :class:`rollout.Rollouts`, beside ``mujoco.rollout`` alone on the same inputs."""

from __future__ import annotations

import time
from collections.abc import Callable

import mujoco
import numpy as np
from mujoco import rollout

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.simulation.batch import BATCH_TIMESTEP
from diffusion_mpc_ros.simulation.model import ModelIndices, ModelOptions, build_model
from diffusion_mpc_ros.simulation.rollout import Rollouts
from diffusion_mpc_ros.simulation.state import State


def measure(robots: int, candidates: int, horizon: int, threads: int, repeats: int, seed: int = 0) -> dict[str, float]:
    """Measure steps a second of standing robots whose targets are drawn round the default pose; best of ``repeats``.

    ``steps_per_second``, ``raw_steps_per_second`` and their quotient ``ratio``; ``milliseconds`` of one run.
    """
    model = build_model(ModelOptions(timestep=BATCH_TIMESTEP))
    rollouts, indices = Rollouts(model, threads=threads), ModelIndices.of(model)
    start = State.zeros(model, (robots,))
    start.qpos[:, 2], start.qpos[:, indices.qpos] = go2.STANDING_HEIGHT, go2.DEFAULT_JOINT_POS
    noise = np.random.default_rng(seed).uniform(-0.2, 0.2, size=(robots, candidates, horizon, go2.NUM_JOINTS))
    targets = go2.clip_joint_targets(go2.DEFAULT_JOINT_POS + noise)

    count, steps = robots * candidates, horizon * rollouts.steps
    raw = rollout.Rollout(nthread=threads if threads > 1 else 0)
    datas, models = [mujoco.MjData(model) for _ in range(threads)], [model] * count
    rows = np.repeat(start.rows(), candidates, axis=0)
    controls = np.zeros((count, steps, model.nu))
    held = np.repeat(targets.reshape(count, horizon, go2.NUM_JOINTS), rollouts.steps, axis=1)
    controls[:, :, indices.inputs[:, 0]] = held
    states, sensors = np.empty((count, steps, rows.shape[1])), np.empty((count, steps, model.nsensordata))

    def run_raw() -> None:
        raw.rollout(
            models, datas, rows, controls, nstep=steps, state=states, sensordata=sensors, skip_checks=True
        )  # fmt: skip

    # In turns, so that whatever else this machine does meets both.
    own_time = raw_time = np.inf
    for _ in range(repeats):
        own_time = min(own_time, _seconds(lambda: rollouts.run(start, targets)))
        raw_time = min(raw_time, _seconds(run_raw))
    return {
        "steps_per_second": count * steps / own_time,
        "raw_steps_per_second": count * steps / raw_time,
        "ratio": raw_time / own_time,
        "milliseconds": 1e3 * own_time,
    }


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin
