"""Noise schedule, normaliser, model artefact, inference backends and the sampler."""
