"""Requests and emergency stops on their way to the control loop."""

import math
import threading

from diffusion_mpc_ros.control.modes import Event
from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.nodes.operator_inputs import GAMEPAD_HOLD, MAX_WAITING, OperatorInputs


class Clock:
    """A clock that stands still until moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def pressed(*buttons: str) -> GamepadState:
    return GamepadState(frozenset(buttons), 0.0, 0.0, 0.0, 0.0)


def test_a_request_is_answered_by_who_takes_it():
    inputs = OperatorInputs()

    def take() -> None:
        while (request := inputs.take()) is None:
            pass
        request.answer(True, request.event.value)

    taker = threading.Thread(target=take)
    taker.start()
    assert inputs.request(Event.WALK, 30.0) == (True, "walk")
    taker.join()


def test_a_request_that_nobody_took_in_time_is_not_carried_out_later():
    inputs = OperatorInputs()
    accepted, message = inputs.request(Event.STAND_UP, 0.0)
    assert not accepted and "stand_up: the control loop did not take" in message
    inputs.post(Event.DAMP)
    assert inputs.take().event is Event.DAMP
    assert inputs.take() is None


def test_requests_keep_their_order_and_too_many_are_refused():
    inputs = OperatorInputs()
    events = [Event.WALK, Event.STAND_UP] * (MAX_WAITING // 2)
    assert all(inputs.post(event) for event in events)
    assert inputs.post(Event.DAMP) is None
    assert "wait already" in inputs.request(Event.DAMP, 0.0)[1]
    assert [inputs.take().event for _ in events] == events


def test_emergency_stops_by_source():
    clock = Clock()
    inputs = OperatorInputs(clock)
    assert inputs.asserted_stop() == ""
    inputs.stop("topic", math.inf)
    inputs.stop("service", 0.2)
    assert inputs.asserted_stop() == "service, topic"
    clock.now += 0.3
    assert inputs.asserted_stop() == "topic"
    inputs.release("topic")
    inputs.release("topic")
    assert inputs.asserted_stop() == ""


def test_a_gamepad_asks_once_a_press_and_stops_as_long_as_it_says_so():
    clock = Clock()
    inputs = OperatorInputs(clock)
    inputs.gamepad("joy", None)
    inputs.gamepad("joy", pressed())
    for _ in range(3):
        inputs.gamepad("joy", pressed("start"))
    assert inputs.take().event is Event.WALK and inputs.take() is None
    inputs.gamepad("joy", pressed("B"))
    assert inputs.asserted_stop() == "joy"
    # Unplugged with the button held down: it counts no more after a while; the fault stays latched.
    clock.now += GAMEPAD_HOLD + 0.01
    assert inputs.asserted_stop() == ""


def test_two_gamepads_do_not_disturb_each_other():
    inputs = OperatorInputs()
    for source in ("remote", "joy"):
        inputs.gamepad(source, pressed())
    inputs.gamepad("remote", pressed("start"))
    inputs.gamepad("joy", pressed())
    inputs.gamepad("remote", pressed("start"))
    assert inputs.take().event is Event.WALK and inputs.take() is None
