"""Planners: one protocol, one registry, one folder per planner."""
