"""What the buttons of a gamepad ask for: one table, for the Unitree remote and for a joystick."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros.control.modes import Event
from diffusion_mpc_ros.core.gamepad import GamepadState


@dataclass(frozen=True)
class Binding:
    """A combination of ``buttons`` held together and the request it makes; ``event`` None: the emergency stop."""

    buttons: tuple[str, ...]
    event: Event | None
    description: str

    @property
    def name(self) -> str:
        """As printed: ``L1+A``."""
        return "+".join(self.buttons)

    def held(self, pressed: frozenset[str]) -> bool:
        """Return whether all its buttons are down, whatever else is."""
        return pressed.issuperset(self.buttons)


# The emergency stop needs no second button, so that L2+B, Unitree's own damping, is one as well. Where one press
# completes several requests the first of them counts: sitting down before standing up, standing up before walking.
BINDINGS = (
    Binding(("B",), None, "emergency stop: damping at once, latched until cleared"),
    Binding(("L1", "X"), Event.SIT_DOWN, "sit down, then damping"),
    Binding(("L1", "A"), Event.STAND_UP, "stand up; while walking: stop and stand"),
    Binding(("start",), Event.WALK, "walk"),
    Binding(("L1", "select"), Event.CLEAR_FAULT, "clear a fault"),
)
STICKS = (
    ("left stick", "velocity: forwards and sideways"),
    ("right stick, x", "yaw rate"),
)


def describe_buttons() -> str:
    """Return the bindings and the sticks as a table in plain text."""
    rows = [*((binding.name, binding.description) for binding in BINDINGS), *STICKS]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {description}" for name, description in rows)


class GamepadRequests:
    """Requests from one gamepad: each combination asks once when it comes to be held, the emergency stop throughout.

    Buttons that are held in the first state seen ask for nothing but the emergency stop: nobody has pressed them.
    """

    def __init__(self) -> None:
        self._held: frozenset[str] | None = None

    def update(self, state: GamepadState) -> tuple[Event | None, bool]:
        """Return the request that ``state`` newly makes, if any, and whether the emergency stop is asserted.

        While it is asserted there are no requests.
        """
        pressed = state.pressed
        before, self._held = pressed if self._held is None else self._held, pressed
        if any(binding.event is None and binding.held(pressed) for binding in BINDINGS):
            return None, True
        asked = (binding.event for binding in BINDINGS if binding.held(pressed) and not binding.held(before))
        return next((event for event in asked if event is not None), None), False
