"""The parent's side of the relay between robot and controller."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.faults.lowstate_faults import LowStateFault

STOP_TIMEOUT = 5.0


class RelayError(DiffusionMpcError):
    """The relay has ended or did not understand."""


class RelayProcess:
    """``python -m diffusion_mpc_ros.faults.relay`` while a ``with`` statement lasts."""

    def __init__(self, network_interface: str, robot_domain: int, controller_domain: int, log: Path) -> None:
        self._lock = threading.Lock()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "diffusion_mpc_ros.faults.relay",
                    network_interface, str(robot_domain), str(controller_domain),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )  # fmt: skip
        self._log = log
        self.realtime = bool(self._answer()["realtime"])

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def set_fault(self, fault: LowStateFault, seed: int = 0) -> float:
        """LowStates suffer ``fault`` from the returned local monotonic time [s] on."""
        return self._ask("fault", seed=seed, **asdict(fault))["time"]

    def shift_clock(self, milliseconds: int) -> float:
        """The robot's clock jumps; the returned local monotonic time [s] is when."""
        return self._ask("shift_clock", milliseconds=milliseconds)["time"]

    def permit(self) -> None:
        """The operator is about to ask for motion."""
        self._ask("permit")

    def hold(self, held: bool) -> None:
        """Somebody holds the robot from now on, or nobody does."""
        self._ask("hold", held=held)

    def expect_silence(self) -> None:
        """The computer of the controller stands still: nobody is there who could say anything."""
        self._ask("expect_silence")

    def report(self, since: float) -> dict[str, Any]:
        """What crossed after local monotonic ``since`` [s] and what of all was unsafe; see ``LowCmdAudit.report``."""
        return self._ask("report", since=since)

    def close(self) -> None:
        """End it; may be called twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> RelayProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        with self._lock:
            try:
                self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
                self._process.stdin.flush()
            except (OSError, ValueError) as error:
                raise RelayError(f"the relay has ended ({error}): {self._tail()}") from None
            return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise RelayError(f"the relay has ended: {self._tail()}")
        return json.loads(line)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-500:]
