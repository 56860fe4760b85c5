"""Several browsers behind one publisher of the emergency stop."""

from __future__ import annotations

from diffusion_mpc_ros.view.stops import BrowserStops


def make() -> tuple[BrowserStops, list[object]]:
    said: list[object] = []
    return BrowserStops(said.append, lambda: said.append("delivered")), said


def test_each_releases_its_own_and_the_last_one_is_told():
    stops, said = make()
    stops.stop(1)
    stops.stop(2)
    stops.release(3)  # it asserts none
    assert said == [True, True] and stops.others(1) == 1 and stops.others(3) == 2
    stops.release(1)
    assert said == [True, True, "delivered"] and stops.others(1) == 1
    stops.release(2)
    assert said[-2:] == ["delivered", False] and stops.others(1) == 0


def test_a_stop_during_a_release_stands():
    said: list[bool] = []
    stops = BrowserStops(said.append, lambda: stops.stop(2))
    stops.stop(1)
    stops.release(1)
    assert said == [True, True] and stops.others(1) == 1
