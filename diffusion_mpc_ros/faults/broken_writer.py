"""command_publisher with a DDS writer that takes nothing while a file exists, for the faults that are tried."""

from __future__ import annotations

import os
from pathlib import Path

from diffusion_mpc_ros.go2 import channels, sdk
from diffusion_mpc_ros.nodes import command_publisher

# Names the file.
VARIABLE = "DIFFUSION_MPC_BROKEN_WRITER"


class BrokenWriter(sdk.DataWriter):
    """Raises what the DDS library raises when it is out of resources."""

    def write(self, sample: object, timestamp: int | None = None) -> None:
        """Write ``sample``, or raise DDSException."""
        if Path(os.environ[VARIABLE]).exists():
            raise sdk.DDSException(sdk.DDSException.DDS_RETCODE_OUT_OF_RESOURCES)
        super().write(sample, timestamp)


if __name__ == "__main__":
    channels.sdk.DataWriter = BrokenWriter
    command_publisher.main()
