"""Closed-loop scores in the batch simulator."""
