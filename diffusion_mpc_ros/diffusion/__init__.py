"""Diffusion sampling: noise schedule, normaliser, model artefact, inference, Algorithm 1."""
