"""Exports without most of what an export takes; whole ones: ``random_artefact``, and test_export.py."""

import hashlib

import pytest

from diffusion_mpc_ros.rewards.following import terms_reading
from diffusion_mpc_ros.training import export

# What the reward model predicts is read, so that all of it is in the graph.
FEW_TERMS = ("base_height",)


@pytest.fixture
def few_terms(monkeypatch):
    """Export of the reward terms, whose gradients take most of the time, :data:`FEW_TERMS` alone; -> their names."""
    monkeypatch.setattr(
        export, "terms_reading", lambda read: [name for name in terms_reading(read) if name in FEW_TERMS]
    )
    return FEW_TERMS


@pytest.fixture
def without_graph(monkeypatch):
    """Export weights and card with the hash of all weights for a graph, where no graph is run."""

    def hash_weights(step, description, path):
        weights = b"".join(value.numpy().tobytes() for value in step.state_dict().values())
        path.write_bytes(hashlib.sha256(weights).hexdigest().encode())

    monkeypatch.setattr(export, "export_onnx", hash_weights)
    monkeypatch.setattr(export, "parity_error", lambda *_, **__: 0.0)
