"""Requests and emergency stops on their way to the control loop."""

import math
import threading

from diffusion_mpc_ros.control.modes import Event
from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.nodes.operator_inputs import MAX_WAITING, OperatorInputs


def pressed(*buttons: str) -> GamepadState:
    return GamepadState(frozenset(buttons))


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


def test_a_gamepad_asks_once_a_press_and_stops_as_long_as_it_says_so():
    inputs = OperatorInputs()
    inputs.gamepad("joy", pressed(), math.inf)
    for _ in range(3):
        inputs.gamepad("joy", pressed("start"), math.inf)
    assert inputs.take().event is Event.WALK and inputs.take() is None
    inputs.gamepad("joy", pressed("B"), until=100.5)
    assert inputs.stops.take(100.0) == "joy"
    # Unplugged with the button held down: it stands no more after a while.
    assert inputs.stops.take(100.6) == ""


def test_a_button_pressed_between_two_ticks_stops():
    inputs = OperatorInputs()
    for state in (pressed(), pressed("B"), pressed()):
        inputs.gamepad("remote", state, math.inf)
    assert inputs.stops.standing(0.0) == [] and inputs.stops.take(0.0) == "remote"


def test_a_request_is_either_taken_or_withdrawn():
    """The time to wait ends at any moment of the taking: what is answered is what happens."""
    for _ in range(300):
        inputs, carried_out = OperatorInputs(), []

        def take(inputs=inputs, carried_out=carried_out) -> None:
            request = inputs.take()
            if request is not None:
                carried_out.append(request.event)
                request.answer(True, "")

        taker = threading.Timer(0.0005, take)
        taker.start()
        accepted, _ = inputs.request(Event.STAND_UP, 0.0005)
        taker.join()
        assert accepted == (carried_out == [Event.STAND_UP])


def test_two_gamepads_do_not_disturb_each_other():
    inputs = OperatorInputs()
    for source in ("remote", "joy"):
        inputs.gamepad(source, pressed(), math.inf)
    inputs.gamepad("remote", pressed("start"), math.inf)
    inputs.gamepad("joy", pressed(), math.inf)
    inputs.gamepad("remote", pressed("start"), math.inf)
    assert inputs.take().event is Event.WALK and inputs.take() is None
