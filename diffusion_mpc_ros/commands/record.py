"""Record the topics of a running robot to an MCAP file until Ctrl-C: what training, `bag replay` and `bag plot` need.

It only listens, writes at low priority, and nothing waits for it. The file can be read up to its last second even when
this command is killed or the disk is full. The last line says what became of it; exit status 0: all is in the file, 1:
it ended early.

examples:
  diffusion-mpc record
  diffusion-mpc record --output walk.mcap --duration 60
  diffusion-mpc launch --record                        the same beside the nodes, until the robot has sat down
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion_mpc_ros.bags.manifest import Manifest
from diffusion_mpc_ros.bags.recording import MEGABYTE, Recording
from diffusion_mpc_ros.bringup import EXECUTABLES
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.nodes import launcher
from diffusion_mpc_ros.nodes.end_requests import EndRequests
from diffusion_mpc_ros.realtime import output

if TYPE_CHECKING:
    from diffusion_mpc_ros.nodes.recorder import Recorder

POLL_PERIOD = 0.2  # [s]
# With the nodes it was launched with it ends once they have been silent for so long [s], at most so long after them.
SILENCE, LONGEST_END = 1.0, 12.0


@dataclass(frozen=True)
class Config:
    """What to record, and where to."""

    output: Path | None = None
    """The new file; default go2_DATE.mcap in this folder."""
    namespace: str = ""
    """ROS namespace of the robot."""
    duration: float | None = None
    """End after so many seconds; default: at Ctrl-C."""
    min_free: float = 200.0
    """End when the disk has fewer than so many MB left."""

    def __post_init__(self) -> None:
        if self.duration is not None and not (math.isfinite(self.duration) and self.duration > 0.0):
            raise ConfigurationError(f"duration {self.duration} s is not a positive time")
        if not (math.isfinite(self.min_free) and self.min_free >= 0.0):
            raise ConfigurationError(f"min_free {self.min_free} MB is not a number of at least 0")


def main(config: Config) -> int:
    """Record; 1 when it ended before it was asked to."""
    from diffusion_mpc_ros.nodes.recorder import Recorder

    output.never_block()
    requests = EndRequests()
    path = config.output or Path(f"go2_{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}.mcap")
    namespace = f"/{config.namespace.strip('/')}".rstrip("/")
    recording = Recording(path, Manifest(time.time_ns(), namespace), int(config.min_free * MEGABYTE))
    print(f"recording to {path}", flush=True)
    with Recorder(recording, EXECUTABLES, config.namespace) as recorder:
        _wait(config, recording, recorder, requests, launched=bool(os.environ.get(launcher.VARIABLE)))
        alive = recorder.alive
    failure = "" if alive else "an error ended its listening"
    report = recording.close({"rewards": recorder.rewards}, failure)
    print(report, flush=True)
    if not report.messages:
        print(f"nothing was heard: is a robot or the simulation running in this ROS_DOMAIN_ID, as {namespace or '/'}?")
    return 1 if report.failure else 0


def _wait(config: Config, recording: Recording, recorder: Recorder, requests: EndRequests, launched: bool) -> None:
    """Until there is a reason to end; ``launched`` with the nodes: until they are silent, the robot sits down first."""
    deadline = time.monotonic() + (config.duration or math.inf)
    while not (requests.made or recording.ended) and recorder.alive and time.monotonic() < deadline:
        time.sleep(POLL_PERIOD)
    if not (launched and requests.made):
        return
    deadline = time.monotonic() + LONGEST_END
    while not (requests.insisted() or recording.ended) and time.monotonic() < deadline:
        if time.monotonic() - recorder.last_command > SILENCE:
            return
        time.sleep(POLL_PERIOD)
