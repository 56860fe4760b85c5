"""What has to be seen after a fault, stated before it is tried."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from diffusion_mpc_ros.control.modes import Mode


class Reaction(Enum):
    """What on the wire counts as the reaction to a fault."""

    NONE = "none"  # nothing should happen
    NO_PLAN = "no plan"  # the first command that does not come from a plan
    DAMPING = "damping"  # the first command that only damps
    HALT = "halt"  # the base stands still


class Recovery(Enum):
    """What an operator tries afterwards; it has to work."""

    WALK = "walks again"
    SIT_DOWN = "sits down"


@dataclass(frozen=True)
class Expectation:
    """The outcome in words, and what it means.

    ``ends_in``: the modes of which one is reached and kept; empty when command_publisher is gone, and somebody else has
    to go on damping. ``cause``: what the fault's text names. ``upright``: no fall on the way; ``moves``: whether the
    base follows the velocity command at the end, False: stands still, None: either. ``max_moving``: how many commands
    that are not damping may still cross the wire. ``lies``: in the end the robot lies still, and the last command was
    damping; ``max_impact``: with how much speed [m/s] its body may have come down.
    """

    text: str
    ends_in: tuple[Mode, ...]
    cause: str = ""
    upright: bool = True
    moves: bool | None = None
    reaction: Reaction = Reaction.NONE
    max_moving: int | None = None
    recovery: Recovery = Recovery.WALK
    lies: bool = False
    max_impact: float | None = None


# The body must not come down faster than this [m/s].
IMPACT = 0.5
WALKS_ON = Expectation("keeps walking", (Mode.WALKING,), moves=True)
STANDS = Expectation("stands and waits for the operator", (Mode.STANDING,), moves=False, reaction=Reaction.NO_PLAN)
WALKS_OR_STANDS = Expectation("keeps walking, or stands and waits", (Mode.WALKING, Mode.STANDING))
HALTS = Expectation("its velocity goes to zero, it stands still until somebody holds it", (Mode.WALKING,), moves=False,
                    reaction=Reaction.HALT)  # fmt: skip
# Safe is not upright: a robot whose commands come when they can may fall.
SAFE = Expectation("keeps walking, stands, or FAULT: damping", (Mode.WALKING, Mode.STANDING, Mode.FAULT), upright=False)
DAMPED_BY_WATCHDOG = Expectation(
    "the watchdog damps, walks after a restart", (), upright=False, reaction=Reaction.DAMPING
)


def faults(cause: str, max_moving: int | None = None) -> Expectation:
    """FAULT with ``cause`` in its text, damping until an operator clears it."""
    return Expectation(
        f"FAULT: {cause}; damping until cleared",
        (Mode.FAULT,),
        cause=cause,
        upright=False,
        reaction=Reaction.DAMPING,
        max_moving=max_moving,
    )


LET_DOWN = Expectation(
    "sits down, lies damped, then silence", (), upright=False, reaction=Reaction.DAMPING, lies=True, max_impact=IMPACT
)
