"""Memory that stays where it is: a page that was dropped costs a thread with a deadline a read from the disk."""

from __future__ import annotations

import ctypes
import resource
from pathlib import Path

# <sys/mman.h>; a page is locked when it is first touched, so that what is only reserved takes no memory.
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
# Bit of CAP_IPC_LOCK in a process's capabilities (<linux/capability.h>).
_CAP_IPC_LOCK = 14


def may_lock_memory() -> bool:
    """Return whether this process may lock all it will ever have: by CAP_IPC_LOCK or without a ``memlock`` limit.

    Under a limit, locking would make the allocation that passes it fail: a process that dies instead of a slow one.
    """
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        return True
    lines = Path("/proc/self/status").read_text().splitlines()
    capabilities = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return bool(capabilities >> _CAP_IPC_LOCK & 1)


def lock_memory() -> bool:
    """Keep every page that this process has touched, or will touch, in memory; False where that is not permitted."""
    if not may_lock_memory():
        return False
    return ctypes.CDLL(None).mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0
