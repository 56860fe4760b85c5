"""Locked memory, seen from the kernel, in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from diffusion_mpc_ros.realtime.memory import may_lock_memory

PROGRAM = """
from diffusion_mpc_ros.realtime.memory import lock_memory, may_lock_memory

def locked():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmLck:"))

before = locked()
granted = lock_memory()
block = bytearray(32 << 20)  # what is allocated later is locked too
print(granted, may_lock_memory(), before, locked())
"""


@pytest.mark.skipif(not may_lock_memory(), reason="this user may not lock memory")
def test_locks_what_there_is_and_what_comes():
    finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    granted, permitted, before, after = finished.stdout.split()
    assert (granted, permitted, before) == ("True", "True", "0")
    assert int(after) > 32 << 10


def test_nothing_is_locked_under_a_limit(monkeypatch, tmp_path):
    """Without the capability a limit means no: a locked process would fail at the allocation that passes it."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8 << 20, 8 << 20))
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nCapEff:\t0000000000000000\n")
    monkeypatch.setattr("diffusion_mpc_ros.realtime.memory.Path", lambda _: status)
    assert not may_lock_memory()
    status.write_text("CapEff:\t0000000000004000\n")
    assert may_lock_memory()
