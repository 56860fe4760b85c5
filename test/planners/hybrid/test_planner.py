"""The hybrid as a planner: its contract, what it remembers, what is declared, what guides it, its ladder."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.declared_model import MOTORS, NOMINAL, DeclaredModel
from diffusion_mpc_ros.core.errors import ConfigurationError, PlanError, RewardError
from diffusion_mpc_ros.core.trajectory import ACTION, PREVIOUS_ACTION
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner
from diffusion_mpc_ros.planners.hybrid.guidance import ALL, UNMEASURED, guiding
from diffusion_mpc_ros.planners.hybrid.last_plan import LastPlan
from diffusion_mpc_ros.planners.hybrid.planner import corrected_count
from diffusion_mpc_ros.planners.hybrid.settings import HybridSettings, make
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, run_closed_loop
from diffusion_mpc_ros.simulation.batch import BatchSimulation, build_batch_model
from diffusion_mpc_ros.simulation.declaration import declare

TIMING = Timing(horizon=11, replan_margin=2, replan_interval=2)
WALK = np.array([[0.5, 0.0, 0.0], [0.0, 0.0, 0.5]])
HEAVY = DeclaredModel(payload_mass=6.0)


@pytest.fixture(scope="module")
def quick(random_artefact) -> HybridSettings:
    return HybridSettings(
        artefact=str(random_artefact),
        candidates=4,
        steps=2,
        samples=6,
        backend="onnxruntime",
        threads=1,
        precision="f32",
    )


def planner(settings: HybridSettings, timing: Timing = TIMING):
    return make(settings, timing, False).levels[0]


def request(tick: int = 0, rewards: RewardSettings | None = None, committed: np.ndarray | None = None) -> PlanRequest:
    return PlanRequest(RobotState.standing(tick, 2), WALK, rewards or RewardSettings(), committed)


def test_a_plan_has_the_shapes_and_says_who_made_it(quick) -> None:
    made = planner(quick).plan(request(7))
    assert made.joint_targets.shape == (11, 2, 12) and made.trajectory.shape == (2, 12, 57)
    assert (made.start_tick, made.planner, made.replan_margin) == (7, "hybrid", 2)
    assert (go2.JOINT_POS_MIN <= made.joint_targets).all() and (made.joint_targets <= go2.JOINT_POS_MAX).all()
    assert made.candidates.joint_pos.shape == (2, 4, 12, 12) and made.candidates.reward.shape == (2, 4)
    # 4 candidates, no last plan, 6 samples and their centre.
    assert made.facts == {"denoising_steps": 2, "drawn": 0, "rollouts": 11}


def test_what_is_committed_comes_back_unchanged(quick) -> None:
    committed = go2.DEFAULT_JOINT_POS + np.random.default_rng(0).uniform(-0.2, 0.2, (2, 2, 12))
    made = planner(quick).plan(request(committed=committed))
    np.testing.assert_array_equal(made.joint_targets[:2], committed)
    # What is shown begins with them, too, and each row follows from the one before.
    np.testing.assert_array_equal(made.trajectory[:, :2, ACTION], committed.swapaxes(0, 1))
    np.testing.assert_array_equal(made.trajectory[:, 1:, PREVIOUS_ACTION], made.trajectory[:, :-1, ACTION])


def test_the_same_requests_are_planned_alike_and_a_plan_can_be_made_again(quick) -> None:
    first, again = planner(quick), planner(quick)
    plans = [[each.plan(request(tick)) for tick in (0, 2)] for each in (first, again)]
    for one, other in zip(*plans, strict=True):
        np.testing.assert_array_equal(one.joint_targets, other.joint_targets)
    assert plans[0][1].facts["rollouts"] == 12  # the last plan is among the candidates
    again.reset()
    again.plan(request(0))
    again.resume(plans[0][1].facts)
    np.testing.assert_array_equal(again.plan(request(2)).joint_targets, plans[0][1].joint_targets)


def test_the_last_plan_moves_on_and_its_correction_fades() -> None:
    last, rows = LastPlan(0.5), np.arange(10.0)[None, :, None] * np.ones((2, 10, 12))
    proposed = np.full((2, 10, 12), -1.0)
    assert last.at(0, proposed) is None
    last.keep(rows, rows, 50)
    plan, correction = last.at(53, proposed)
    np.testing.assert_array_equal(plan[1, :, 0], [3, 4, 5, 6, 7, 8, 9, -1, -1, -1])
    np.testing.assert_array_equal(correction[1, :, 0], np.array([3, 4, 5, 6, 7, 8, 9, 9, 9, 9]) / 8)  # 0.5^3
    assert last.at(49, proposed) is None and last.at(60, proposed) is None and last.at(53, proposed[:1]) is None


def test_of_several_candidates_one_is_the_priors_own() -> None:
    assert [corrected_count(candidates) for candidates in (1, 2, 4, 5, 10)] == [1, 1, 3, 4, 8]


def test_a_declaration_acts_in_the_next_plan_and_the_plan_tells_it(quick) -> None:
    ladder = make(quick, TIMING, False)
    told, other = ladder.levels[0], planner(quick)
    assert str(ladder.physics.declared) == str(NOMINAL) and told.facts()["declared"] == str(NOMINAL)
    ladder.physics.declare(HEAVY)
    made, nominal = told.plan(request(0)), other.plan(request(0))
    assert np.abs(made.joint_targets - nominal.joint_targets).max() > 1e-3
    assert made.facts["declared_payload_mass"] == 6.0 and "6 kg" in told.facts()["declared"]
    other.reset()
    other.resume(made.facts)
    np.testing.assert_array_equal(other.plan(request(0)).joint_targets, made.joint_targets)
    other.resume(nominal.facts)
    assert other.facts()["declared"] == str(NOMINAL)
    # From the settings it is there from the start.
    assert planner(replace(quick, declared=HEAVY)).plan(request(0)).facts == made.facts


def test_more_numbers_than_a_plan_has_room_for_are_not_made_again(quick) -> None:
    weak = NOMINAL.with_numbers(dict.fromkeys(MOTORS, 0.8))
    made = planner(replace(quick, declared=weak))
    facts = made.plan(request(0)).facts
    assert facts["declared_numbers"] == 12 and len(facts) <= 14  # the node adds two
    with pytest.raises(PlanError, match="declared by 12 numbers, more than it tells"):
        made.resume(facts)


def test_what_guides_the_prior() -> None:
    asked = RewardSettings(3, {"base_height": 1.0, "tilt_to_go": 2.0, "energy": 3.0}, {}, ("torque",))
    assert guiding(asked, UNMEASURED, ("base_height", "tilt_to_go")).weights == {"tilt_to_go": 2.0}
    everything = guiding(asked, ALL, ("base_height", "tilt_to_go"))
    assert everything.weights == {"base_height": 1.0, "tilt_to_go": 2.0}
    assert (everything.revision, everything.constraints) == (3, ("torque",))


def test_rewards_and_constraints_act_and_what_nobody_follows_is_refused(quick) -> None:
    made = planner(replace(quick, samples=64))
    low = RewardSettings(1, {"base_height": 8000.0}, {"base_height.target": np.array([0.2])})
    heights = []
    for settings in (RewardSettings(), low):
        made.reset()
        heights.append(made.plan(request(rewards=settings)).trajectory[:, -1, 21:33].reshape(2, 4, 3)[..., 2].mean())
    assert heights[1] != heights[0]
    made.check(RewardSettings(1, {"tilt_to_go": 1.0, "foot_lifting": 1.0}, {}, ("joint_range",)))
    with pytest.raises(RewardError, match="unknown constraint 'none'"):
        made.check(RewardSettings(1, {}, {}, ("none",)))
    with pytest.raises(RewardError, match="does not follow the reward term 'elegance'"):
        made.check(RewardSettings(1, {"elegance": 1.0}))


def test_the_ladder_ends_with_the_prior_alone(quick) -> None:
    ladder = make(quick, TIMING, True)
    levels = [(level.facts()["candidates"], level.facts()["samples"]) for level in ladder.levels]
    # The simulator goes last: what is declared acts at every level before.
    assert levels == [(4, 6), (2, 6), (2, 3), (1, 0)]
    assert [level.facts()["samples"] for level in ladder.quick] == [6]
    alone = ladder.levels[-1].plan(request(0))
    assert alone.planner == "hybrid" and alone.facts["rollouts"] == 0
    assert len({level.identity for level in ladder.levels}) == 1
    # Another artefact is planned with in a world that is declared the same, but another one.
    ladder.physics.declare(HEAVY)
    other = ladder.on(quick.artefact).physics
    assert other.declared == HEAVY and other.world is not ladder.physics.world


def test_another_artefact_is_prepared_while_this_one_plans_and_goes_on_where_it_stops(quick) -> None:
    planning, alone = (AnytimePlanner(make(quick, TIMING, False)) for _ in range(2))
    expected = [alone.plan(request(tick)).joint_targets for tick in range(0, 12, 2)]
    successor, ended = planning.on(quick.artefact), threading.Event()

    def prepare() -> None:
        while not ended.is_set():
            successor.warm_up()

    thread = threading.Thread(target=prepare)
    thread.start()
    planned = [planning.plan(request(tick)).joint_targets for tick in range(0, 12, 2)]
    ended.set()
    thread.join()
    np.testing.assert_array_equal(planned, expected)
    # What is declared meanwhile, and the last plan, are the successor's as well.
    assert planning.declare(lambda before: HEAVY) == HEAVY
    planning.succeed(successor)
    assert not successor.in_use.is_set()
    made = planning.plan(request(12))
    assert successor.in_use.is_set() and planning.physics.declared == HEAVY
    assert made.facts["declared_payload_mass"] == 6.0 and made.facts["rollouts"] == 12


def test_scores_of_which_none_is_finite_make_no_plan_and_none_is_remembered(quick) -> None:
    made = planner(quick)
    made.plan(request(0))
    parts, rows = made._parts, made._parts.last._rows
    made._parts = replace(parts, scoring=lambda rollout, *_: np.full(rollout.joint_targets.shape[:2], np.nan))
    with pytest.raises(PlanError, match="reward, time or facts of the plan for tick 2 are not finite"):
        made.plan(request(2))
    assert parts.last._rows is rows


def test_who_plans_without_a_model_refuses_in_words(quick) -> None:
    assert AnytimePlanner(make(quick, TIMING, False)).physics.declared == NOMINAL
    ladder = replace(make(quick, TIMING, False), physics=None)
    with pytest.raises(ConfigurationError, match="plans without a model of the robot: .* hybrid and dial_mpc"):
        _ = AnytimePlanner(ladder).physics


def test_a_declared_payload_is_carried_upright() -> None:
    """The shipped prior alone sags with 6 kg (to 0.14 m); told of them, the hybrid does not.

    Of 32 robots with so small a search one falls, another one on another processor: hence four, and one may.
    """
    settings = HybridSettings(candidates=4, steps=3, sampler="ddim", samples=16, threads=1, declared=HEAVY)
    simulation = BatchSimulation(4, seed=3, threads=1, model=declare(build_batch_model(), HEAVY))
    controller = AsynchronousController(planner(settings, Timing(11, 0, 1)))
    walked = run_closed_loop(controller, simulation, np.repeat(WALK[:1], 4, axis=0), 150)
    upright = walked.survived()
    assert upright.sum() >= 3
    assert (walked.base_height[75:, upright].mean(axis=0) > 0.25).all()
    assert 0.3 < walked.velocity[75:, upright, 0].mean() < 0.7
