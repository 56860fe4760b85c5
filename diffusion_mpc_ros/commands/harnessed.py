"""What ``evaluate faults``, ``stops`` and ``soak`` share: the five processes with a wire that can be spoiled."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diffusion_mpc_ros.commands.launch import parse_parameters
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.planners.registry import check_planner_name
from diffusion_mpc_ros.training.provenance import source_commit

if TYPE_CHECKING:
    from diffusion_mpc_ros.faults.harness import Harness


@dataclass(frozen=True, kw_only=True)
class HarnessOptions:
    """How the processes are started."""

    planner: str = "diffusion_mpc"
    """The planner: a name of planners/registry.py, or MODULE:FUNCTION of your own (docs/planners.md)."""
    seed: int = 0
    """Seed of what is random."""
    parameters: tuple[str, ...] = ()
    """Node settings: NODE.NAME=VALUE, as in config/NODE.yaml; `diffusion-mpc settings` lists them."""

    def __post_init__(self) -> None:
        check_planner_name(self.planner)

    @property
    def head(self) -> dict[str, Any]:
        """Seed, commit and machine, and what is not as usual."""
        others = {"planner": self.planner} if self.planner != HarnessOptions.planner else {}
        others |= {"parameters": self.parameters} if self.parameters else {}
        return {"seed": self.seed, "commit": source_commit(), "machine": describe_machine(), **others}

    @contextmanager
    def harness(self) -> Iterator[Harness]:
        """Yield the processes, walking; a request to end is treated as Ctrl-C: they are ended in order."""
        from diffusion_mpc_ros.faults.harness import Harness

        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with Harness(parse_parameters(self.parameters, self.planner), self.seed, self.planner) as harness:
            print(f"output of the processes: {harness.folder}")
            yield harness
