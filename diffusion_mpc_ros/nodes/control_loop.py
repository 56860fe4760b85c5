"""The 50 Hz loop from the newest LowState and the plans to ``rt/lowcmd``; it needs neither planner nor ROS graph."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from diffusion_mpc_ros.control.ending import RESTS_WITHIN
from diffusion_mpc_ros.control.modes import Event, Mode
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.closing import close_all
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.types import Plan, Timing
from diffusion_mpc_ros.go2.domain import Go2Domain
from diffusion_mpc_ros.nodes.control_step import ControlStep, StepReports
from diffusion_mpc_ros.nodes.control_turns import ControlTurns
from diffusion_mpc_ros.nodes.lowstate_input import LowStateInput
from diffusion_mpc_ros.nodes.operator_inputs import OperatorInputs
from diffusion_mpc_ros.nodes.operator_side import OperatorSide
from diffusion_mpc_ros.nodes.robot_link import RobotLink

# How often it is looked whether commands may begin [s].
WAIT_PERIOD = 0.05
# Longer than a step of the loop, or than damping after it has failed [s].
STOP_TIMEOUT = RESTS_WITHIN + 2.0


class ControlLoop:
    """Owns the thread of the :class:`ControlTurns`. Whatever ends it, the last LowCmd on the wire is damping.

    Nothing is sent before the robot has said that its own controller has let go of the motors, and the watchdog is
    there; ``waiting_for`` tells what is missing. In the loop's thread the operator's topics are read, at the beginning
    of each turn, and emergency stops again right before the command is sent; after that runs ``on_step``. What it
    raises is counted in :attr:`reports`. ``on_failure`` gets the exception that ended the loop. Other arguments are
    those of :class:`ControlTurns`.
    """

    def __init__(
        self,
        domain: Go2Domain,
        link: RobotLink,
        settings: SafetySettings,
        timing: Timing,
        on_step: Callable[[ControlStep], None],
        on_failure: Callable[[Exception], None],
        operator: OperatorSide | None = None,
        artefact_error: str = "",
        margin_from_plans: bool = False,
        read_plans: Callable[[Callable[[Plan], object]], object] = lambda receive: None,
    ) -> None:
        self.operator = OperatorSide(OperatorInputs()) if operator is None else operator
        self.reports = StepReports(on_step)
        self._link, self._on_failure, self._age_max = link, on_failure, settings.lowstate_age_max
        self._lowstates = LowStateInput(domain, link.profile, self.operator.remote)
        self.turns = ControlTurns(
            link, self._lowstates, self.operator, settings, timing, self.reports, artefact_error, margin_from_plans,
            read_plans,
        )  # fmt: skip
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    @property
    def waiting_for(self) -> str:
        """What must happen before the first command is sent; "" once commands are sent."""
        return self._link.waiting_for

    @property
    def skipped(self) -> int:
        """Deadlines that passed without a command since the start."""
        return self.turns.periodic.skipped

    @property
    def rejected_lowstates(self) -> int:
        """LowStates refused since the start: another layout, a wrong CRC, numbers that are not finite."""
        return self._lowstates.rejected

    @property
    def ended(self) -> bool:
        """Whether the orderly end that :meth:`end` has begun is over, or commands never began."""
        return self.turns.ended or bool(self.waiting_for) or not self._thread.is_alive()

    def add(self, plan: Plan) -> None:
        """Take a plan; raises PlanError when it cannot be executed."""
        self.turns.add(plan)

    def request(self, event: Event, timeout: float = 0.2) -> tuple[bool, str]:
        """Hand the operator's request to the next tick; whether it was accepted, and why not or what changed."""
        if self.waiting_for:
            return False, f"{event.value} refused: waiting for {self.waiting_for}"
        return self.operator.inputs.request(event, timeout)

    def end(self) -> None:
        """Begin to let the robot down: sit down where its state can be trusted, else damp until it lies."""
        self.turns.ending.begin(clock.now())

    def hurry(self) -> None:
        """Damp at once instead of sitting down."""
        self.turns.ending.hurry()

    def close(self) -> None:
        """Stop the loop, damp, let go of the motors; a robot that does not lie yet is left to the watchdog."""
        self._stopped.set()
        self.turns.periodic.stop()
        self._thread.join(timeout=STOP_TIMEOUT)
        rests = self.turns.rest.reached
        lies = rests and self.turns.supervisor.mode is Mode.DAMPING
        at_rest = rests or bool(self.waiting_for)
        close_all(lambda: self._link.close(at_rest, may_restore=lies), self._lowstates.close)

    def _run(self) -> None:
        try:
            while self.waiting_for:
                if self._stopped.wait(WAIT_PERIOD):
                    return
                self._wait()
            self.turns.periodic.run()
        except Exception as error:  # noqa: BLE001 - whoever owns the process ends it
            self._on_failure(error)
            if not self.waiting_for:  # else the motors are another controller's
                self._damp_until_rest()

    def _wait(self) -> None:
        """Keep stops, drop requests and plans: what is asked for now must not be carried out when commands begin."""
        self.operator.holding(self._lowstates.newest(), walking=False)
        self.operator.refuse_all(f"waiting for {self.waiting_for}")
        self.turns.read_plans(lambda plan: None)

    def _damp_until_rest(self) -> None:
        """Do what is left to do when the loop has failed: without the supervisor, at its rate, for a bounded time."""
        until, rest = clock.now() + RESTS_WITHIN, self.turns.rest
        while clock.now() < until and not rest.reached:
            self._link.damp(armed=True)
            lowstate = self._lowstates.newest()
            self._lowstates.note_age_of(lowstate)
            rest.update(True, lowstate if self._lowstates.fresh(clock.now(), self._age_max) else None)
            time.sleep(CONTROL_DT)  # also while somebody waits for the end
