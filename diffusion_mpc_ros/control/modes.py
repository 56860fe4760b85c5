"""The operating modes and the one table of transitions between them."""

from __future__ import annotations

from enum import Enum


class Mode(Enum):
    """What the joints are doing."""

    DAMPING = "damping"
    STANDING_UP = "standing_up"
    STANDING = "standing"
    WALKING = "walking"
    SITTING_DOWN = "sitting_down"
    FAULT = "fault"


class Event(Enum):
    """What changes the mode: the operator's requests, then what the supervisor finds by itself."""

    STAND_UP = "stand_up"
    WALK = "walk"
    SIT_DOWN = "sit_down"
    DAMP = "damp"
    CLEAR_FAULT = "clear_fault"
    MOTION_DONE = "motion_done"  # standing up or sitting down has ended
    PLAN_LOST = "plan_lost"  # no plan has had an executable row for too long
    WEAR = "wear"  # battery or temperature: still able to sit down in order
    FAULT = "fault"  # the robot or its state cannot be trusted


REQUESTS = (Event.STAND_UP, Event.WALK, Event.SIT_DOWN, Event.DAMP, Event.CLEAR_FAULT)

TRANSITIONS: dict[Mode, dict[Event, Mode]] = {
    Mode.DAMPING: {
        Event.STAND_UP: Mode.STANDING_UP,
        Event.DAMP: Mode.DAMPING,
        Event.FAULT: Mode.FAULT,
    },
    Mode.STANDING_UP: {
        Event.MOTION_DONE: Mode.STANDING,
        Event.SIT_DOWN: Mode.SITTING_DOWN,
        Event.WEAR: Mode.SITTING_DOWN,
        Event.DAMP: Mode.DAMPING,
        Event.FAULT: Mode.FAULT,
    },
    Mode.STANDING: {
        Event.STAND_UP: Mode.STANDING,
        Event.WALK: Mode.WALKING,
        Event.SIT_DOWN: Mode.SITTING_DOWN,
        Event.WEAR: Mode.SITTING_DOWN,
        Event.DAMP: Mode.DAMPING,
        Event.FAULT: Mode.FAULT,
    },
    Mode.WALKING: {
        Event.WALK: Mode.WALKING,
        Event.STAND_UP: Mode.STANDING,
        Event.PLAN_LOST: Mode.STANDING,
        Event.SIT_DOWN: Mode.SITTING_DOWN,
        Event.WEAR: Mode.SITTING_DOWN,
        Event.DAMP: Mode.DAMPING,
        Event.FAULT: Mode.FAULT,
    },
    Mode.SITTING_DOWN: {
        Event.MOTION_DONE: Mode.DAMPING,
        Event.SIT_DOWN: Mode.SITTING_DOWN,
        Event.DAMP: Mode.DAMPING,
        Event.FAULT: Mode.FAULT,
    },
    # A fault stays until the operator clears it.
    Mode.FAULT: {
        Event.CLEAR_FAULT: Mode.DAMPING,
        Event.DAMP: Mode.FAULT,
    },
}


def next_mode(mode: Mode, event: Event) -> Mode | None:
    """Return the mode that ``event`` leads to, or None when it does not apply in ``mode``."""
    return TRANSITIONS[mode].get(event)
