"""Faults injected into the running processes, what they do, and an audit of every command on the wire."""
