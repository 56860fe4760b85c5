"""Gamepad layouts: which number in sensor_msgs/Joy is which button depends on gamepad, driver and node.

Layouts are told apart by how many buttons and axes there are. Indices come from three sources: ``joy_node`` numbers
buttons and axes as SDL does, so the Linux entries of SDL_GameControllerDB list its indices, and appends two axes for
each hat (ros-drivers/joystick_drivers, joy.cpp); ``game_controller_node`` has one order for all gamepads (README of
the package joy); SDL's own drivers for PlayStation gamepads use that order too (SDL_hidapi_ps4.c, SDL_hidapi_ps5.c).
All of them turn the signs to those of ROS: a stick to the left or up is positive.

No layout reads the triggers, because their value at rest depends on the node. To ``joy_node`` a trigger is an axis from
-1 to 1, turned round: 1 at rest and -1 when pulled, but 0 until first moved with older SDL. To ``game_controller_node``
it runs from 0 to 1, turned round: 0 at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros.core.errors import GamepadError

AUTO = "auto"


@dataclass(frozen=True)
class Axis:
    """Index in ``Joy.axes``, and what turns its sign to ours: x positive to the right, y up."""

    index: int
    sign: float


def _x(index: int) -> Axis:
    return Axis(index, -1.0)


def _y(index: int) -> Axis:
    return Axis(index, 1.0)


@dataclass(frozen=True)
class GamepadLayout:
    """Where one kind of gamepad, ``pads`` in words, has its buttons and sticks.

    ``counts``: numbers of buttons and axes it comes with. ``buttons``: index in ``Joy.buttons`` by name.
    ``enable``: the dead-man, without which the sticks move nothing; it is held while in ``GamepadState.pressed``.
    """

    name: str
    pads: str
    counts: tuple[tuple[int, int], ...]
    buttons: dict[str, int]
    right_x: Axis
    right_y: Axis
    left_x: Axis = _x(0)
    left_y: Axis = _y(1)
    enable: str = "L1"

    @property
    def axes(self) -> tuple[Axis, Axis, Axis, Axis]:
        """Those of ``left_x, left_y, right_x, right_y``."""
        return self.left_x, self.left_y, self.right_x, self.right_y


_XBOX = {"A": 0, "B": 1, "X": 2, "Y": 3, "L1": 4, "R1": 5, "select": 6, "start": 7}
_BLUETOOTH = {"A": 0, "B": 1, "X": 3, "Y": 4, "L1": 6, "R1": 7, "select": 10, "start": 11}
_OLD_BLUETOOTH = _BLUETOOTH | {"select": 15}
_SHAPES = "A cross, B circle, X square, Y triangle"
_PLAYSTATION = {"A": 0, "B": 1, "Y": 2, "X": 3, "L1": 4, "R1": 5, "L2": 6, "R2": 7, "select": 8, "start": 9}
_NUMBERED = {"X": 0, "A": 1, "B": 2, "Y": 3, "L1": 4, "R1": 5, "L2": 6, "R2": 7, "select": 8, "start": 9}
_SDL = {"A": 0, "B": 1, "X": 2, "Y": 3, "select": 4, "start": 6, "L1": 9, "R1": 10}
_SDL |= {"up": 11, "down": 12, "left": 13, "right": 14}
# Kernel driver xpad, and what looks like it. The project's own messages have it, too.
XBOX = GamepadLayout(
    "xbox", "Xbox by cable; Logitech F310, F710 switched to X", ((11, 8), (12, 8)), _XBOX, _x(3), _y(4)
)
LAYOUTS = {
    layout.name: layout
    for layout in (
        XBOX,
        GamepadLayout("xbox_360_wireless", "Xbox 360 by its radio receiver", ((15, 8),), _XBOX, _x(3), _y(4)),
        GamepadLayout("xbox_bluetooth", "Xbox One, Series by Bluetooth", ((15, 8), (16, 8)), _BLUETOOTH, _x(2), _y(3)),
        GamepadLayout("xbox_bluetooth_old", "Xbox One, first firmware", ((17, 8),), _OLD_BLUETOOTH, _x(2), _y(3)),
        GamepadLayout(
            "playstation",
            f"PlayStation 4, 5 with the kernel's own driver: {_SHAPES}",
            ((13, 8),),
            _PLAYSTATION,
            _x(3),
            _y(4),
        ),
        GamepadLayout(
            "playstation_generic",
            f"PlayStation 4, 5 with the kernel's driver for any gamepad: {_SHAPES}",
            ((14, 8), (15, 8)),
            _NUMBERED,
            _x(2),
            _y(5),
        ),
        GamepadLayout("logitech_d", "Logitech F310, F710 switched to D", ((12, 6),), _NUMBERED, _x(2), _y(3)),
        GamepadLayout(
            "game_controller",
            "any by game_controller_node; PlayStation 4, 5 by SDL's own driver",
            ((21, 6), (16, 6), (17, 6)),
            _SDL,
            _x(2),
            _y(3),
        ),
    )
}
LAYOUT_NAMES = (AUTO, *LAYOUTS)


def find_layout(name: str, buttons: int, axes: int) -> GamepadLayout:
    """Return the layout ``name`` of a gamepad with so many ``buttons`` and ``axes``.

    "auto": the only one that has as many.

    Raises GamepadError when the name is unknown, the numbers are not the layout's, or "auto" finds none or several.
    """
    if name not in LAYOUT_NAMES:
        raise GamepadError(f"gamepad layout {name!r} is none of {', '.join(LAYOUT_NAMES)}")
    candidates = LAYOUTS.values() if name == AUTO else [LAYOUTS[name]]
    fitting = [layout for layout in candidates if (buttons, axes) in layout.counts]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        why = f"may be {' or '.join(layout.name for layout in fitting)}: name the layout"
    else:
        why = "is none of the known layouts" if name == AUTO else f"is no {name}"
    known = "; ".join(f"{layout.name} {_counts(layout)}" for layout in LAYOUTS.values())
    raise GamepadError(f"a gamepad of {buttons} buttons and {axes} axes {why}. Buttons/axes of the layouts: {known}")


def describe_layout(layout: GamepadLayout) -> str:
    """Return what is where, as a table in plain text, to be printed at start."""
    buttons = ", ".join(f"{name} {index}" for name, index in sorted(layout.buttons.items(), key=lambda item: item[1]))
    names = ("left x", "left y", "right x", "right y")
    axes = ", ".join(f"{name} {axis.index}" for name, axis in zip(names, layout.axes))
    rows = (
        ("layout", f"{layout.name} ({layout.pads}), buttons/axes {_counts(layout)}"),
        ("buttons", buttons),
        ("axes", axes),
        ("dead-man", f"{layout.enable} (button {layout.buttons[layout.enable]}): the sticks count while it is held"),
    )
    return "\n".join(f"  {name:<8}  {text}" for name, text in rows)


def _counts(layout: GamepadLayout) -> str:
    return ", ".join(f"{buttons}/{axes}" for buttons, axes in layout.counts)
