"""Planners: one protocol, one file per planner."""
