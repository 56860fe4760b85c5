"""A launcher that can be ended: a process that does nothing but live."""

from __future__ import annotations

import subprocess
import sys

from diffusion_mpc_ros.faults.processes import bound
from diffusion_mpc_ros.nodes.launcher import VARIABLE, lease_of


class Launcher:
    """Stands in for ``diffusion-mpc launch`` or ``ros2 launch`` while a ``with`` statement lasts."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def environment(self) -> dict[str, str]:
        """Return the variable that names it to those it is to have launched; it is started where it does not live."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                bound([sys.executable, "-S", "-c", "import time\nwhile True: time.sleep(60)"])
            )
        return {VARIABLE: lease_of(self._process.pid)}

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
