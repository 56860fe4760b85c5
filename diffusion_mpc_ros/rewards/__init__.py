"""Reward terms, their registry, and the composition of terms into what the operator asks for."""
