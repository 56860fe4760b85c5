"""Reward terms, their registry and composition."""
