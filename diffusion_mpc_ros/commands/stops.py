"""Assert the emergency stop for 0 to 20 ms, a thousand times, and look whether each stop is held.

Panels of every quality of service take turns at random while another one repeats false at 100 Hz. A stop is held when
the robot is in FAULT within two control ticks and stays there after its release, until it is cleared. The five
processes run as usual, in domains of their own. Exit status: 0 all held within two ticks, 1 one was not.

examples:
  diffusion-mpc evaluate stops --json docs/results/stops.json
  diffusion-mpc evaluate stops --pulses 50
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.progress import track

from diffusion_mpc_ros.commands.harnessed import HarnessOptions
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.report_file import SingleReport


@dataclass(frozen=True, kw_only=True)
class Config(HarnessOptions, SingleReport):
    """How many, and where the result goes."""

    command = "evaluate stops"

    pulses: int = 1000
    """Number of stops."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pulses < 1:
            raise ConfigurationError(f"pulses {self.pulses} must be at least 1")

    def conduct(self) -> int:
        """Try the stops; 1 when one was not held within two ticks."""
        from diffusion_mpc_ros.faults import stops

        self.check_target({**self.head, "pulses": self.pulses})
        with self.harness() as harness:
            rows = list(track(stops.measure(harness, self.pulses, self.seed), "stops", self.pulses))
        result = stops.summary(rows)
        Console().print_json(data=result)
        self.write({**self.head, **result})
        return 0 if result["held"] == result["within_two_ticks"] == self.pulses else 1
