"""The simulated Go2 in real time on the robot's topics: every 2 ms a LowState, as the robot does."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.closing import close_all
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, SPORTMODESTATE, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import Go2Domain
from diffusion_mpc_ros.go2.messages import SportModeState
from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcherServer
from diffusion_mpc_ros.realtime.periodic import Deadline, PeriodicLoop
from diffusion_mpc_ros.simulation.render import Viewer
from diffusion_mpc_ros.simulation.robot import Go2Simulation

# The true base state is published every so many physics steps: 50 Hz, as the robot's sport service does.
TRUTH_EVERY = 10
# A stall of up to so many steps (1 s) is caught up with: the robot's time goes on. A longer one, a suspended process
# say, is left out, and the clock jumps by more than the other nodes take for jitter.
MAX_CATCH_UP = 500


class SimulationLoop:
    """Owns the physics in a thread of its own; other threads hand it what to do with :meth:`post`."""

    def __init__(
        self,
        domain: Go2Domain,
        simulation: Go2Simulation,
        viewer: Viewer | None,
        on_failure: Callable[[Exception], None],
        robot_controller: str = "",
        releases_needed: int = 1,
    ) -> None:
        self._simulation, self._viewer, self._on_failure = simulation, viewer, on_failure
        self._posted: deque[Callable[[Go2Simulation], None]] = deque()
        self._commands: deque[JointCommand] = deque(maxlen=1)
        self._steps = 0
        self._skipped = 0
        self._lowstates = Publisher(domain, LOWSTATE)
        self._truths = Publisher(domain, SPORTMODESTATE)
        self._lowcmds = Subscriber(domain, LOWCMD, self._commands.append)
        # The simulated robot has no controller of its own; it only says what it is told to say.
        self._switcher = MotionSwitcherServer(domain, robot_controller, releases_needed)
        self._loop = PeriodicLoop(simulation.timestep, self._turn)
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)
        self._thread.start()

    def post(self, action: Callable[[Go2Simulation], None]) -> None:
        """Do ``action`` before the next physics step."""
        self._posted.append(action)

    def activate_controller(self, name: str) -> None:
        """Say from now on that the robot's own controller ``name`` is active, or none (``""``)."""
        self._switcher.activate(name)

    @property
    def commanded(self) -> bool:
        """Whether anybody has a writer of ``rt/lowcmd``."""
        return bool(self._lowcmds.publisher_labels())

    def close(self) -> None:
        """Stop the physics, close the viewer and the topics."""
        self._loop.stop()
        self._thread.join(timeout=1.0)
        viewer = () if self._viewer is None else (self._viewer.close,)
        close_all(*viewer, self._lowcmds.close, self._lowstates.close, self._truths.close, self._switcher.close)

    def _run(self) -> None:
        try:
            self._loop.run()
        except Exception as error:  # whoever owns the process ends it
            self._on_failure(error)

    def _turn(self, deadline: Deadline) -> None:
        """Do the step that is due and those that a late wake-up has skipped: simulated time follows the clock."""
        missed, self._skipped = deadline.skipped - self._skipped, deadline.skipped
        for _ in range(1 + missed if missed <= MAX_CATCH_UP else 1):
            self._step()
        if self._viewer is not None:
            self._viewer.sync()

    def _step(self) -> None:
        while self._posted:
            self._posted.popleft()(self._simulation)
        if self._commands:
            self._simulation.set_command(self._commands.popleft())
        self._simulation.step_physics()
        self._lowstates.publish(self._simulation.lowstate(clock.now()))
        self._steps += 1
        if self._steps % TRUTH_EVERY == 0:
            self._publish_truth()

    def _publish_truth(self) -> None:
        truth = self._simulation.truth()
        self._truths.publish(
            SportModeState(
                time=truth.time,
                base_quat_wxyz=truth.quat_wxyz,
                base_ang_vel=truth.ang_vel_b,
                position=truth.position,
                velocity=truth.lin_vel_w,
                body_height=truth.height,
            )
        )
