"""Stands in for a node under a launcher: notes what happens to it in the folder NOTES and takes its time to end.

``planner`` prints more than any pipe holds; ``state_estimator`` takes so long to end that only haste helps.
"""

import os
import sys
import time
from pathlib import Path

from diffusion_mpc_ros.nodes.end_requests import EndRequests
from diffusion_mpc_ros.realtime import output

NAME = Path(sys.argv[0]).stem
SECONDS = 60.0 if NAME == "state_estimator" else 0.5


def note(word: str) -> None:
    with (Path(os.environ["NOTES"]) / NAME).open("a") as file:
        file.write(f"{word}\n")


output.never_block()
requests = EndRequests()
if NAME == "planner":
    for _ in range(2000):
        print("x" * 999)
note("started")
while not requests.made:
    time.sleep(0.02)
note("ending")
deadline = time.monotonic() + SECONDS
while time.monotonic() < deadline and not requests.insisted():
    time.sleep(0.02)
note("ended")
