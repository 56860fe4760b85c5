"""Constraints as projections of trajectories onto sets."""
