"""Sliders: one drag asks once, everybody's sliders follow what is in force, nobody's hand is pushed."""

from __future__ import annotations

from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.view.wishes import ANSWER, REST, SETTLED, Wishes


def settings(revision: int, energy: float, *constraints: str) -> RewardSettings:
    return RewardSettings(revision, {"energy": energy}, {}, constraints)


def test_a_drag_asks_once_when_it_rests():
    wishes = Wishes()
    for step in range(10):
        wishes.move("energy", 0.1 * step, 0.02 * step)
        assert wishes.due(0.02 * step) == {}
    wishes.move("align", 3.0, 0.2)
    assert wishes.due(0.2 + 0.9 * REST) == {}
    assert wishes.due(0.2 + REST) == {"energy": 0.9, "align": 3.0}
    assert wishes.due(10.0) == {}


def test_sliders_follow_a_ramp_when_it_has_ended():
    wishes = Wishes()
    for step in range(5):
        now = 0.02 * step
        wishes.hear(settings(1, 0.2 * step), now)
        assert wishes.show(now) is None
    assert wishes.show(now + SETTLED + 0.01).weights == {"energy": 0.8}
    assert wishes.show(now + 1.0) is None
    wishes.hear(settings(2, 0.8, "torque"), 2.0)
    assert wishes.show(2.01 + SETTLED).constraints == ("torque",)


def test_a_hand_on_a_slider_is_not_pushed_and_a_refusal_puts_it_back():
    wishes = Wishes()
    wishes.hear(settings(1, 0.0), 0.0)
    assert wishes.show(1.0) is not None
    wishes.hear(settings(2, 0.5), 1.0)
    wishes.move("energy", 2.0, 1.2)
    assert wishes.show(1.4) is None  # held
    assert wishes.due(1.5) == {"energy": 2.0}
    assert wishes.show(1.6) is None  # asked for
    wishes.answered(False)
    assert wishes.show(1.7).weights == {"energy": 0.5}


def test_an_answer_that_does_not_come_is_a_refusal():
    wishes = Wishes()
    wishes.hear(settings(1, 0.5), 0.0)
    wishes.show(1.0)
    wishes.move("energy", 2.0, 1.0)
    wishes.due(1.5)
    assert wishes.show(1.4 + ANSWER) is None
    assert wishes.show(1.5 + ANSWER).weights == {"energy": 0.5}
