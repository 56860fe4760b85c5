"""What the machine grants a control loop: clock frequency, real-time priority, free cores, memory, disk."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import Finding, bad, ok, skipped, warning
from diffusion_mpc_ros.realtime.memory import may_lock_memory

# The planner fills most of one core, the other processes and the system share another.
MIN_CORES, MIN_FREE_CORES = 2, 1.0
IDLE_WINDOW = 0.5  # [s]
GIB = 2**30
# [GiB]: below the first it will not last, below the second it does not work.
MEMORY_LOW, MEMORY_BAD = 2.0, 0.5
DISK_LOW, DISK_BAD = 2.0, 0.1
_SHOWN_PROCESSES = 3


def check_governor(_: Context) -> Finding:
    """Who decides how fast each core is clocked."""
    paths = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    return judge_governors([path.read_text().strip() for path in paths])


def judge_governors(governors: Sequence[str]) -> Finding:
    """``governors`` of the cores."""
    if not governors:
        return skipped("this machine (virtual, or a container) does not show its CPU governor")
    slow = sum(governor != "performance" for governor in governors)
    if slow:
        return warning(
            f"{slow} of {len(governors)} cores follow {', '.join(sorted(set(governors)))}: slow after a pause",
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )
    return ok(f"performance on {len(governors)} cores")


def check_priority(_: Context) -> Finding:
    """May a process of this user have the highest real-time priority that the nodes ask for."""
    wanted = max(bringup.load_parameters(name).get("realtime_priority", 0) for name in bringup.EXECUTABLES)
    return judge_priority(_grants(wanted), wanted, resource.getrlimit(resource.RLIMIT_RTPRIO)[0])


def judge_priority(granted: bool, wanted: int, limit: int) -> Finding:
    """``granted``: SCHED_FIFO at priority ``wanted``; ``limit``: that of this user, RLIMIT_RTPRIO."""
    if wanted == 0:
        return ok("no node asks for it (realtime_priority is 0)")
    if granted:
        return ok(f"SCHED_FIFO {wanted} is granted")
    return warning(
        f"SCHED_FIFO {wanted} is not granted (RLIMIT_RTPRIO {limit}): commands are late while other programs work",
        'echo "$USER - rtprio 98" | sudo tee /etc/security/limits.d/99-realtime.conf, log in again',
    )


def check_throttling(_: Context) -> Finding:
    """How much of the time real-time threads may run."""
    folder = Path("/proc/sys/kernel")
    names = ("sched_rt_runtime_us", "sched_rt_period_us")
    if not all((folder / name).exists() for name in names):
        return skipped("this kernel does not tell")
    return judge_throttling(*(int((folder / name).read_text()) for name in names))


def judge_throttling(runtime: int, period: int) -> Finding:
    """``runtime`` of every ``period`` [us]; -1 for all of it."""
    if runtime == 0:
        return warning("real-time threads get no time at all", "sudo sysctl -w kernel.sched_rt_runtime_us=950000")
    share = "all of the time" if runtime < 0 else f"{100.0 * runtime / period:.0f} % of the time"
    return ok(f"real-time threads get {share}")


def check_cores(_: Context) -> Finding:
    """Return the cores that this process may use, and how idle they are."""
    allowed = sorted(os.sched_getaffinity(0))
    processes = _process_times()
    shares = psutil.cpu_times_percent(IDLE_WINDOW, percpu=True)
    idle = [(shares[core].idle + shares[core].iowait) / 100.0 for core in allowed if core < len(shares)]
    return judge_cores(idle, os.getloadavg()[0], busiest(processes, _process_times()))


def judge_cores(idle: Sequence[float], load: float, busy: Sequence[str] = ()) -> Finding:
    """``idle`` share of each core that may be used; ``load`` of the last minute; names of ``busy`` processes."""
    free = sum(idle)
    text = f"{free:.1f} of {len(idle)} cores free, load {load:.1f}"
    if len(idle) < MIN_CORES:
        return warning(f"{text}; {MIN_CORES} cores are needed", "allow it more: taskset, the container's cpuset")
    if free < MIN_FREE_CORES:
        names = f", busy: {', '.join(busy)}" if busy else ""
        return warning(f"{text}{names}", "end what is not needed; the controller's own processes may be among these")
    return ok(text)


def busiest(before: Mapping[int, tuple[str, float]], after: Mapping[int, tuple[str, float]]) -> list[str]:
    """Names of the processes that took the most processor time between two readings of ``{pid: (name, time)}``."""
    spent = {pid: time - before[pid][1] for pid, (_, time) in after.items() if pid in before}
    most = sorted((pid for pid in spent if spent[pid] > 0), key=lambda pid: -spent[pid])[:_SHOWN_PROCESSES]
    return [f"{after[pid][0]} ({pid})" for pid in most]


def judge_memory(available: float) -> Finding:
    """``available`` [GiB]."""
    text = f"{available:.1f} GiB available"
    if available < MEMORY_BAD:
        return bad(f"{text}; at least {MEMORY_BAD} are needed", "end other programs")
    return ok(text) if available >= MEMORY_LOW else warning(text, "end other programs")


def check_memory_lock(_: Context) -> Finding:
    """May a process of this user keep its memory from being dropped."""
    return judge_memory_lock(may_lock_memory(), resource.getrlimit(resource.RLIMIT_MEMLOCK)[0])


def judge_memory_lock(permitted: bool, limit: int) -> Finding:
    """``permitted``: locking all memory; ``limit``: that of this user [B], RLIMIT_MEMLOCK."""
    if permitted:
        return ok("memory may be locked")
    return warning(
        f"memory may not be locked (RLIMIT_MEMLOCK {limit}): when it runs short, commands wait for the disk",
        'echo "$USER - memlock unlimited" | sudo tee -a /etc/security/limits.d/99-realtime.conf, log in again',
    )


def check_disk(_: Context) -> Finding:
    """Room for bags where the command is run."""
    folder = Path.cwd()
    return judge_disk(shutil.disk_usage(folder).free / GIB, str(folder))


def judge_disk(free: float, folder: str) -> Finding:
    """``free`` [GiB] in ``folder``."""
    text, remedy = f"{free:.1f} GiB free for bags in {folder}", "delete old bags, or record in another folder"
    if free < DISK_BAD:
        return bad(text, remedy)
    return ok(text) if free >= DISK_LOW else warning(text, remedy)


def _grants(priority: int) -> bool:
    """Whether the system grants SCHED_FIFO at ``priority``, tried on a thread that ends at once."""
    granted = []

    def ask() -> None:
        with contextlib.suppress(OSError):  # no permission
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
            granted.append(True)

    trial = threading.Thread(target=ask)
    trial.start()
    trial.join()
    return bool(granted)


def _process_times() -> dict[int, tuple[str, float]]:
    """Name and processor time [s] of every other process that may be seen."""
    others = (process for process in psutil.process_iter(["name", "cpu_times"]) if process.pid != os.getpid())
    times = ((process.pid, process.info["name"], process.info["cpu_times"]) for process in others)
    return {pid: (name, spent.user + spent.system) for pid, name, spent in times if spent is not None}
