"""Striking a robot from the side: where the pendulum is put, what counts as a hit, and what as a failure."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.evaluation.adaptation.strikes import (
    RELEASE_TICKS,
    Outcomes,
    Striker,
    Strikes,
    is_stuck,
    outcomes,
)
from diffusion_mpc_ros.evaluation.experiments import balance
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, run_closed_loop
from diffusion_mpc_ros.simulation.pendulum import Pendulum, PendulumSimulation

RIGHT_ANGLE = np.pi / 2.0


class Standing:
    """Keeps every robot in the default pose."""

    def joint_targets(self, state, command):
        return np.tile(go2.DEFAULT_JOINT_POS, (len(command), 1))


def test_strikes_come_at_any_phase_and_from_both_sides():
    strikes = Strikes.draw(400, np.random.default_rng(0))
    assert strikes.tick.min() == SETTLING_TICKS and strikes.tick.max() == SETTLING_TICKS + RELEASE_TICKS - 1
    assert len(np.unique(strikes.tick)) == RELEASE_TICKS
    assert set(strikes.side) == {-1.0, 1.0} and abs(strikes.side.mean()) < 0.15


class FakeSimulation:
    """Remembers what is released."""

    def __init__(self, robots):
        self.robots, self.pendulum = robots, Pendulum()
        self.impact_speed, self.on_trunk = np.full(robots, np.nan), np.zeros(robots, dtype=bool)
        self.released = []

    def release(self, robots, pivot, heading, angle):
        self.released.append((robots.copy(), pivot, heading, angle))


def walking_state(position, heading):
    quat = [np.cos(heading / 2.0), 0.0, 0.0, np.sin(heading / 2.0)]
    return SimpleNamespace(base_pos=np.array([position]), base_quat_wxyz=np.array([quat]))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_pivot_is_where_the_robot_will_be(side):
    simulation = FakeSimulation(1)
    striker = Striker(simulation, Strikes(np.array([40]), np.array([side])), RIGHT_ANGLE)
    # At 0.5 m/s along +y, heading that way: its left is -x.
    for tick in range(41):
        striker.watch(walking_state([2.0, 0.01 * tick, 0.28], RIGHT_ANGLE))
    (robots, pivot, heading, angle) = simulation.released[0]
    assert len(simulation.released) == 1 and robots.tolist() == [0]
    # 0.40 m at the release, 0.648 s of fall; trunk and ball together 0.095 + 0.049 m wide; 1.2 m above.
    expected = [2.0 - side * 0.144, 0.40 + 0.5 * 0.64846, 1.48]
    np.testing.assert_allclose(pivot[0], expected, atol=1e-4)
    np.testing.assert_allclose([heading[0], angle[0]], [RIGHT_ANGLE, side * RIGHT_ANGLE])


def velocity_record(*speeds: float) -> np.ndarray:
    """Forward speeds [m/s], 100 ticks each, for one robot ``(ticks, 1, 2)``."""
    forward = np.repeat(speeds, 100)
    return np.stack([forward, np.zeros_like(forward)], axis=1)[:, None]


def test_stuck_is_more_than_two_seconds_below_the_speed():
    since = np.array([100])
    assert not is_stuck(velocity_record(0.5, 0.5, 0.5, 0.5), since)[0]
    # Slow for 200 ticks, less the 15 or so in which the mean over the last 25 still remembers the walk.
    assert is_stuck(velocity_record(0.5, 0.0, 0.0, 0.5), since)[0]
    assert not is_stuck(velocity_record(0.5, 0.5, 0.0, 0.5), since)[0]
    assert not is_stuck(velocity_record(0.5, 0.25, 0.25, 0.25), since)[0]
    # What came before the strike does not count.
    assert not is_stuck(velocity_record(0.0, 0.0, 0.5, 0.5), np.array([200]))[0]


def test_the_sway_of_the_trot_is_no_walking():
    ticks = np.arange(400)
    sideways = 0.4 * np.sin(2.0 * np.pi * ticks / 25.0)
    velocity = np.stack([np.full(400, 0.05), sideways], axis=1)[:, None]
    assert is_stuck(velocity, np.array([0]))[0]


def trial(struck_tick, fell_at=None, speed=0.5, release=100, ticks=400, impact=4.8):
    """The outcome of one made-up trial, released at 90 degrees."""
    simulation = FakeSimulation(1)
    striker = Striker(simulation, Strikes(np.array([release]), np.array([1.0])), RIGHT_ANGLE)
    striker.struck_tick[:] = struck_tick
    if struck_tick >= 0:
        simulation.impact_speed[:] = impact
    error = np.full((ticks, 1), 0.1)
    velocity = np.zeros((ticks, 1, 3))
    velocity[: max(struck_tick, 0), :, 0], velocity[max(struck_tick, 0) :, :, 0] = 0.5, speed
    if fell_at is not None:
        error[fell_at:], velocity[fell_at:] = np.nan, np.nan
    return outcomes(SimpleNamespace(planar_error=error, velocity=velocity), striker, simulation)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [  # hit, fell, stuck, fell_unhit, success; the ball is down after 32 ticks and back after 65
        ({"struck_tick": 132}, (True, False, False, False, True)),
        ({"struck_tick": 132, "fell_at": 150}, (True, True, False, False, False)),
        ({"struck_tick": 132, "fell_at": 132}, (True, True, False, False, False)),
        ({"struck_tick": 132, "speed": 0.0}, (True, False, True, False, False)),
        ({"struck_tick": -1}, (False, False, False, False, False)),
        ({"struck_tick": -1, "fell_at": 300}, (False, False, False, True, False)),
        ({"struck_tick": 132, "fell_at": 120}, (False, False, False, True, False)),
        ({"struck_tick": 190}, (False, False, False, False, False)),
    ],
)
def test_what_counts(settings, expected):
    result = trial(**settings)
    fields = (result.hit, result.fell, result.stuck, result.fell_unhit, result.success)
    assert tuple(bool(field[0]) for field in fields) == expected


def test_the_row_counts_the_hits_only():
    parts = [trial(132), trial(132), trial(132, fell_at=150), trial(132, speed=0.0, impact=4.0), trial(-1, fell_at=300)]
    row = balance.summary(Outcomes.concatenate(parts))
    counts = {name: row[name] for name in ("trials", "hits", "fell", "stuck", "fell_unhit", "successes")}
    assert counts == {"trials": 5, "hits": 4, "fell": 1, "stuck": 1, "fell_unhit": 1, "successes": 2}
    assert row["success"] == 0.5 and row["hit_share"] == 0.8 and row["impact_speed"] == pytest.approx(4.8)
    nothing = balance.summary(trial(-1))
    assert nothing["success"] is None and nothing["interval"] is None and nothing["impact_speed"] is None


def test_robots_that_stand_are_all_struck_on_the_trunk():
    robots = 6
    simulation = PendulumSimulation(robots, seed=3, threads=1)
    strikes = Strikes(np.array([30, 33, 36, 39, 42, 45]), np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]))
    striker = Striker(simulation, strikes, np.deg2rad(60.0))
    walked = run_closed_loop(Standing(), simulation, np.zeros((robots, 3)), 100, watch=striker.watch)
    result = outcomes(walked, striker, simulation)
    assert result.hit.all() and result.on_trunk.all()
    # sqrt(2 x 9.81 x 1.2 x 0.5) = 3.431 m/s after 0.5896 s: within 29 or 30 ticks.
    np.testing.assert_allclose(result.impact_speed, 3.431, rtol=0.02)
    assert (np.abs(striker.struck_tick - strikes.tick - 29.5) <= 1.5).all()
