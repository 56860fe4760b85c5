"""Projections of trajectory batches onto constraint sets."""
