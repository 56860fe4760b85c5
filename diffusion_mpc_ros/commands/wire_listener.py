"""A listener on the wire between robot and controller: when every LowState and LowCmd was written, and when it came.

It joins the robot's DDS domain as one more reader and changes nothing. A process of its own, before every node where
real-time scheduling is granted: the stamps are those of the wire, not of a thread that waits for the interpreter. It
says on standard output when it listens; at the end of standard input it writes what it saw to a file and ends.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from array import array
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np

from diffusion_mpc_ros.commands.answering_child import AnsweringChild
from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.go2 import wire
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, StampedSample, Tap
from diffusion_mpc_ros.go2.domain import Go2Domain, open_domain
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime
from diffusion_mpc_ros.realtime.wire_delay import WireRecord

# Above every node and the watchdog.
PRIORITY = 80
# One of the two threads that stamp waits at most this long [s] for the other to give up the interpreter.
SWITCH_INTERVAL = 0.2e-3
# Joining the domain, and writing the file after an hour [s].
STOP_TIMEOUT = 30.0


class WireListener:
    """``python -m diffusion_mpc_ros.commands.wire_listener`` while a ``with`` statement lasts.

    ``realtime``: whether real-time scheduling was granted. Raises :class:`ChildError` with its last words when it
    cannot join the domain.
    """

    def __init__(self, network_interface: str, domain_id: int) -> None:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="diffusion-mpc-wire-")))
        self._file = folder / "wire.npz"
        arguments = [network_interface, str(domain_id), str(self._file)]
        with self._stack:
            self._child = self._stack.enter_context(
                AnsweringChild("listener", __name__, arguments, folder / "errors.log", STOP_TIMEOUT)
            )
            self._stack = self._stack.pop_all()
        self.realtime = bool(self._child.first["realtime"])

    def __enter__(self) -> WireListener:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stop(self) -> WireRecord:
        """Listen no more; what was on the wire. Raises :class:`ChildError`."""
        self._child.finish()
        with np.load(self._file) as arrays:
            return WireRecord(**arrays)


class _Recorder:
    """Keeps stamps and what is needed of the samples, about 20 kB a second."""

    def __init__(self, domain: Go2Domain) -> None:
        self._ticks, self._lowstates, self._lowcmds = array("q"), array("q"), array("q")
        self._joint_pos: list[np.ndarray] = []
        self._taps = (Tap(domain, LOWSTATE, self._on_lowstate), Tap(domain, LOWCMD, self._on_lowcmd))

    def close(self) -> None:
        """Leave the topics."""
        for tap in self._taps:
            tap.close()

    def record(self) -> WireRecord:
        """All that was seen; to be called once closed."""
        lowstates, lowcmds = (np.array(stamps).reshape(-1, 2) for stamps in (self._lowstates, self._lowcmds))
        return WireRecord(
            lowstate_tick_ms=np.array(self._ticks),
            lowstate_sent=lowstates[:, 0],
            lowstate_received=lowstates[:, 1],
            lowcmd_sent=lowcmds[:, 0],
            lowcmd_received=lowcmds[:, 1],
            lowcmd_joint_pos=np.array(self._joint_pos, dtype=np.float32).reshape(-1, NUM_JOINTS),
        )

    def _on_lowstate(self, sample: StampedSample) -> None:
        # Before anything is kept: a sample of another layout raises.
        tick = int(wire.LOWSTATE.unpack(sample.data)["tick"])
        self._ticks.append(tick)
        self._lowstates.extend((sample.sent, sample.received))

    def _on_lowcmd(self, sample: StampedSample) -> None:
        joint_pos = wire.LOWCMD.unpack(sample.data)["motor_cmd"]["q"][:NUM_JOINTS].copy()
        self._joint_pos.append(joint_pos)
        self._lowcmds.extend((sample.sent, sample.received))


def main(arguments: list[str]) -> int:
    """``NETWORK_INTERFACE DOMAIN_ID FILE``: listen until the end of standard input; 2 when the domain is not usable."""
    interface, domain_id, file = arguments[0], int(arguments[1]), Path(arguments[2])
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.disable()  # a collection would hold up a stamp, and nothing here makes cycles
    # The DDS library's threads inherit it.
    realtime = schedule_realtime(PRIORITY)
    try:
        domain = open_domain(interface, domain_id)
    except InterfaceError as error:
        print(error, file=sys.stderr)
        return 2
    with domain:
        recorder = _Recorder(domain)
        print(json.dumps({"realtime": realtime}), flush=True)
        sys.stdin.read()
        recorder.close()
    np.savez(file, **asdict(recorder.record()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
