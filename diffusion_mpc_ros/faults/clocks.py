"""Clocks that can be made to lag: what a process sees that was suspended with its computer, or paused with its VM."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

from diffusion_mpc_ros.core.errors import DiffusionMpcError

SOURCE = Path(__file__).with_name("clocks.c")
_LAGS = struct.Struct("<3q")  # [ns] of CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME


class ClocksError(DiffusionMpcError):
    """Clocks cannot be made to lag here."""


class Clocks:
    """Lags of the processes that are started with :meth:`environment`; built in ``folder`` when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._library, self._file = folder / "clocks.so", folder / "clocks"
        self._monotonic = self._boottime = 0.0  # [s]

    def environment(self) -> dict[str, str]:
        """The variables that preload the clocks; raises ClocksError where no compiler is."""
        if not self._library.exists():
            compiler = shutil.which("cc") or shutil.which("gcc")
            if compiler is None:
                raise ClocksError("clocks that lag need a C compiler (cc or gcc)")
            build = [compiler, "-O2", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE), "-ldl", "-lpthread"]
            subprocess.run(build, check=True, capture_output=True)
            self._file.write_bytes(_LAGS.pack(0, 0, 0))
        return {"LD_PRELOAD": str(self._library), "DIFFUSION_MPC_CLOCKS": str(self._file)}

    def lag(self, duration: float, *, paused: bool) -> None:
        """Let the clocks lag by ``duration`` [s] more: CLOCK_BOOTTIME too where the machine was ``paused``.

        Where the computer was only suspended that one went on. CLOCK_REALTIME always goes on: nothing is decided by
        it, and whoever watches tells the time of messages by their stamps.
        """
        self._monotonic += duration
        if paused:
            self._boottime += duration
        lags = (self._monotonic, self._boottime, 0.0)
        with self._file.open("r+b") as file:  # in place: the processes have mapped it
            file.write(_LAGS.pack(*(round(lag * 1e9) for lag in lags)))
