"""Conditions vary what they name and nothing else, and robots of several conditions walk side by side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.policies.conditions import (
    FLAT_CONDITION,
    RANDOMISED,
    TESTED,
    Condition,
    MixedSimulation,
    shared_out,
)
from diffusion_mpc_ros.simulation.randomization import variation

STAND = np.tile(go2.DEFAULT_JOINT_POS, (6, 1))


def test_each_group_has_its_own_ground_and_dynamics():
    groups = [
        (FLAT_CONDITION, 2),
        (Condition("payload", payload=(8.0, 8.0)), 2),
        (Condition("weak", motor_strength=(0.7, 0.7), grounds=("slope_up:10",)), 2),
    ]
    simulation = MixedSimulation(groups, seed=3)
    assert simulation.group.tolist() == [0, 0, 1, 1, 2, 2]
    facts = [variation(part.models, part.nominal) for part in simulation.parts]
    np.testing.assert_allclose([fact["payload_mass"] for fact in facts], [[0, 0], [8, 8], [0, 0]], atol=1e-9)
    np.testing.assert_allclose([fact["motor_strength"].mean() for fact in facts], [1.0, 1.0, 0.7])
    np.testing.assert_allclose([fact["friction"] for fact in facts], 0.8)
    # Uphill the base is pitched by the slope: gravity's x in its frame is -sin 10 deg.
    gravity = simulation.step(STAND).projected_gravity_b
    np.testing.assert_allclose(gravity[4:, 0], -np.sin(np.deg2rad(10.0)), atol=0.06)
    np.testing.assert_allclose(gravity[:4, 0], 0.0, atol=0.06)


def test_who_is_randomised_has_all_of_table_one():
    (part,) = MixedSimulation([(RANDOMISED, 12)], seed=3).parts
    drawn = variation(part.models, part.nominal)
    assert ((drawn["payload_mass"] > 0.99) & (drawn["payload_mass"] < 3.01)).all()
    assert np.ptp(drawn["friction"]) > 0.5 and np.ptp(drawn["motor_strength"]) > 0.15
    assert (part.full_state.latency > 0.0).all() and np.ptp(part.full_state.latency) > 0.01
    assert np.abs(part.state.joint_pos / go2.DEFAULT_JOINT_POS - 1.0).max() > 0.3
    with pytest.raises(ConfigurationError, match="'both' is randomised: Table I says its payload"):
        Condition("both", randomised=True, friction=(0.4, 0.4))


def test_pushes_come_when_due_and_are_as_strong_as_asked():
    pushed = Condition("pushes", push_speed=1.5, push_ticks=3, push_exactly=True)
    simulation = MixedSimulation([(pushed, 3), (FLAT_CONDITION, 3)], seed=1)
    calls = []
    push = simulation.parts[0].push
    simulation.parts[0].push = lambda velocity: (calls.append(velocity), push(velocity))
    when = []
    for tick in range(7):
        simulation.step(STAND)
        if simulation.pushed.any():
            when.append(tick)
            assert simulation.pushed.tolist() == [True] * 3 + [False] * 3
    assert when == [3, 6]
    np.testing.assert_allclose(np.linalg.norm(calls, axis=-1), 1.5)
    assert not np.any(np.array(calls)[..., 2])


def test_a_reset_touches_the_robots_of_the_mask_alone():
    simulation = MixedSimulation([(FLAT_CONDITION, 2), (TESTED[0], 2)], seed=1)
    before = simulation.step(np.tile(go2.DEFAULT_JOINT_POS + 0.3, (4, 1))).joint_pos.copy()
    simulation.reset(np.array([False, True, False, True]))
    same = (simulation.state.joint_pos == before).all(axis=1)
    assert same.tolist() == [True, False, True, False]


def test_the_same_seed_draws_the_same_grounds_within_the_range():
    rough = Condition("rough", grounds=("cobbles", "bumps"), difficulty=(0.02, 0.05))
    drawn = [[rough.draw_ground(np.random.default_rng([seed, 0])) for seed in range(8)] for _ in range(2)]
    assert [str(ground) for ground in drawn[0]] == [str(ground) for ground in drawn[1]]
    assert {ground.kind.name for ground in drawn[0]} == {"cobbles", "bumps"}
    assert all(0.02 <= ground.difficulty <= 0.05 for ground in drawn[0])
    assert len({ground.seed for ground in drawn[0]}) == 8
    assert Condition("one", grounds=("cobbles:0.06@5",)).draw_ground(np.random.default_rng(0)).seed == 5


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=12), st.integers(0, 300))
def test_robots_are_shared_out_whole_and_nobody_is_left_out(shares, more):
    conditions = [Condition(str(index), share=share) for index, share in enumerate(shares)]
    robots = len(conditions) + more
    counts = [count for _, count in shared_out(conditions, robots)]
    assert sum(counts) == robots and min(counts) >= 1


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigurationError, match="1 robots are not enough for 2 conditions"):
        shared_out([FLAT_CONDITION, FLAT_CONDITION], 1)
    with pytest.raises(ConfigurationError, match="ground 'moon' is none of"):
        Condition("moon", grounds=("moon",))
    with pytest.raises(ConfigurationError, match="a share above 0"):
        Condition("none", share=0.0)
