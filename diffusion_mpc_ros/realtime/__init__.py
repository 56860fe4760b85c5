"""Tick clock, action buffer, asynchronous planning, latency statistics."""
