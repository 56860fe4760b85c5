"""The exported PPO demonstrator as a batch policy."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ArtefactError


class DemonstratorPolicy:
    """``policy(observation (B, 45), base_height (B,)) -> joint targets (B, 12)`` [rad].

    Raises :class:`ArtefactError` when the folder's files are missing, changed, or made for another joint order.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        card_path, model_path = folder / "card.json", folder / "demonstrator.onnx"
        try:
            card = json.loads(card_path.read_text())
            model = model_path.read_bytes()
            actual = hashlib.sha256(model).hexdigest()
        except (OSError, ValueError, RecursionError) as error:
            raise ArtefactError(f"demonstrator in {folder} is not readable: {error}") from None
        if actual != card.get("sha256", {}).get(model_path.name):
            raise ArtefactError(f"{model_path} does not have the sha256 that {card_path} names: fetch it again")
        if tuple(card.get("joint_order", ())) != go2.JOINT_NAMES:
            raise ArtefactError(f"{card_path} has the joint order {card.get('joint_order')}, not {go2.JOINT_NAMES}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, observation: np.ndarray, base_height: np.ndarray) -> np.ndarray:
        inputs = {
            "observation": observation.astype(np.float32),
            "base_height": np.asarray(base_height, dtype=np.float32)[:, None],
        }
        return self._session.run(["joint_targets"], inputs)[0].astype(np.float64)
