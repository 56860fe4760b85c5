"""An export without what takes long of it; whole ones: ``random_artefact``, and test_export.py."""

import hashlib

import pytest

from diffusion_mpc_ros.training import export


@pytest.fixture
def without_graph(monkeypatch):
    """Export weights and card with the hash of all weights for a graph, where no graph is run."""

    def hash_weights(step, description, path):
        weights = b"".join(value.numpy().tobytes() for value in step.state_dict().values())
        path.write_bytes(hashlib.sha256(weights).hexdigest().encode())

    monkeypatch.setattr(export, "export_onnx", hash_weights)
    monkeypatch.setattr(export, "parity_error", lambda *_, **__: 0.0)
