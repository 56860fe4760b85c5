"""A network in ONNX Runtime: named arrays in, one array out, any batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime

from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.diffusion.onnx_backend import session_options


class OnnxNetwork:
    """The graph ``content`` of an artefact, computed in f32 by ``threads`` threads.

    ``sizes``: size of the last axis of each input, by name and in order. Raises :class:`ArtefactError`, which names the
    graph ``name``, when it does not load or has other inputs.
    """

    def __init__(self, content: bytes, sizes: Mapping[str, int], name: str, threads: int = 1) -> None:
        try:
            self._session = onnxruntime.InferenceSession(
                content, session_options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises types of its own that share no base but Exception
            raise ArtefactError(f"ONNX Runtime does not load {name}: {error}") from error
        found = {entry.name: entry.shape[-1] for entry in self._session.get_inputs()}
        if found != dict(sizes):
            raise ArtefactError(f"{name} has the inputs {found}, its card says {dict(sizes)}")
        self._names: Sequence[str] = tuple(sizes)

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """The output for inputs ``(n, size)`` in order, of ordinary type."""
        feed = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in zip(self._names, inputs)}
        return self._session.run(None, feed)[0]
