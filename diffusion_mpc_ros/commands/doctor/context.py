"""What the checks share: what was asked for, and the robot's topics once they are joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from diffusion_mpc_ros.go2.profile import GO2, RobotProfile

if TYPE_CHECKING:
    from diffusion_mpc_ros.commands.doctor.listener import LowStateListener, Observation
    from diffusion_mpc_ros.control.settings import SafetySettings
    from diffusion_mpc_ros.core.types import LowState
    from diffusion_mpc_ros.go2.domain import Go2Domain


class Context:
    """``robot``: somebody must speak on the topics; otherwise silence only means that no simulator runs.

    ``profile``: of the robot, or of the simulator, that speaks. ``network_interface`` is ``""`` where none could be
    chosen. A check fills in the attributes that the checks after it read; :meth:`close` ends what was registered with
    :meth:`at_close`, last first.
    """

    def __init__(
        self,
        network_interface: str,
        domain_id: int,
        robot: bool = False,
        artefact: str = "",
        quick: bool = False,
        profile: RobotProfile = GO2,
    ) -> None:
        self.network_interface, self.domain_id = network_interface, domain_id
        self.robot, self.artefact, self.quick, self.profile = robot, artefact, quick, profile
        self.settings: SafetySettings | None = None
        self.domain: Go2Domain | None = None
        self.listener: LowStateListener | None = None
        self.observation: Observation | None = None
        self._closing: list[Callable[[], None]] = []

    def at_close(self, close: Callable[[], None]) -> None:
        """Call ``close`` at the end."""
        self._closing.append(close)

    @property
    def latest(self) -> LowState:
        """The newest LowState."""
        return self.listener.latest()

    def close(self) -> None:
        """Leave the topics and the domain; may be called twice."""
        while self._closing:
            self._closing.pop()()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
