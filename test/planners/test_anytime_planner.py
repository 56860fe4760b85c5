"""The planner that keeps to a time budget, on an exported artefact; plan times are made up, none is asserted."""

import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError, PlanError, TimingError
from diffusion_mpc_ros.core.types import RewardSettings, Timing
from diffusion_mpc_ros.diffusion import inference, prior
from diffusion_mpc_ros.diffusion.onnx_backend import OnnxBackend
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners import anytime_planner
from diffusion_mpc_ros.planners.anytime import LevelController, Trial
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner, Ladder
from diffusion_mpc_ros.planners.diffusion_mpc import settings
from diffusion_mpc_ros.planners.diffusion_mpc.ladder import make_ladder
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig
from diffusion_mpc_ros.planners.diffusion_mpc.settings import choose_threads, measure_backends, measure_threads
from diffusion_mpc_ros.planners.latency import plan_times, standing_request
from diffusion_mpc_ros.planners.registry import make_planner

CONFIG = DiffusionMpcConfig(sampling=SamplingOptions(candidates=4), backend="onnxruntime")
LEVELS = [(4, 0), (2, 0), (1, 0), (1, 5), (1, 7)]  # candidates, cached steps of 10
NEVER, ALWAYS = 1e-9, 1e9  # [s], what no plan keeps to, and every one does


@pytest.fixture
def binds(monkeypatch):
    """The batch sizes that were bound."""
    sizes, bind = [], OnnxBackend.bind
    monkeypatch.setattr(OnnxBackend, "bind", lambda self, batch: sizes.append(batch) or bind(self, batch))
    return sizes


@pytest.fixture
def make(random_artefact):
    loaded = prior.load(random_artefact)

    def make(budget=0.03):
        levels = make_ladder(loaded, CONFIG, math.isfinite(budget))
        return AnytimePlanner(Ladder(levels), [budget] * len(levels))

    return make


def plan(planner, tick):
    return planner.plan(standing_request(planner.timing, RewardSettings(), tick))


def test_it_changes_its_level_between_plans_with_what_was_prepared(make, binds):
    planner = make()
    planner.warm_up()
    facts = [level.facts() for level in planner.levels]
    assert [(level["candidates"], level["cached_steps"]) for level in facts] == LEVELS
    assert sorted(binds) == [1, 2, 4]  # one set of arrays for each number of candidates
    planner.controller, planner.budgets = LevelController([1.0] * 5, 1.0, calm=3), [NEVER] * 5
    assert [plan(planner, tick).facts["denoising_steps"] for tick in range(0, 10, 2)] == [10, 10, 3, 3, 3]
    assert (planner.level, planner.facts()["degraded"], planner.facts()["cached_steps"]) == (4, 1, 7)
    planner.budgets = [ALWAYS] * 5
    plans = [plan(planner, tick) for tick in range(10, 40, 2)]
    assert [each.facts["denoising_steps"] for each in plans] == [3] * 3 + [5] * 3 + [10] * 9
    assert [each.start_tick for each in plans] == list(range(10, 40, 2))
    assert planner.level == 0 and planner.facts()["candidates"] == 4
    assert sorted(binds) == [1, 2, 4]


def test_level_0_plans_as_configured(make):
    with_budget, without = make(ALWAYS), make(math.inf)
    assert [level.config for level in without.levels] == [CONFIG]
    np.testing.assert_array_equal(plan(with_budget, 0).joint_targets, plan(without, 0).joint_targets)


@pytest.fixture
def machine(monkeypatch):
    """A machine on which a plan takes ``milliseconds(N, steps from noise)``, and nothing is waited for."""

    class Machine:
        def milliseconds(self, candidates: int, steps: int) -> float:
            return candidates * steps  # 40, 20, 10, 5, 3 for the levels of CONFIG

    def times(planner, plans, rewards, *, paced=False, limit=math.inf):
        assert rewards.weights
        sampling = planner.config.sampling
        steps = sampling.refresh_steps or sampling.steps
        return np.array([machine.milliseconds(sampling.candidates, steps) * 1e-3 for _ in range(plans)])

    machine = Machine()
    monkeypatch.setattr(anytime_planner, "plan_times", times)
    monkeypatch.setattr(anytime_planner, "SETTLING_TIME", 0.0)
    return machine


@pytest.mark.parametrize(
    ("budget", "level", "milliseconds"), [(0.045, 0, 40), (0.03, 1, 20), (0.011, 2, 10), (0.001, 4, 3)]
)
def test_it_settles_on_the_best_level_that_fits(make, machine, budget, level, milliseconds):
    planner = make(budget)
    seconds = pytest.approx(milliseconds * 1e-3)
    assert planner.settle() == Trial(False, level, seconds, seconds)
    assert planner.level == level
    assert f"level {level} of 0..4: N = " in planner.describe_level()
    assert planner.facts()["time_budget_ms"] == pytest.approx(budget * 1e3)


def test_a_disturbance_at_start_is_waited_out(make, machine, monkeypatch):
    monkeypatch.setattr(anytime_planner, "SETTLING_TIME", 60.0)
    asked = []

    def milliseconds(candidates, steps):
        asked.append((candidates, steps))
        # 5 plans for the cost of each of 5 levels, then 50 for each trial: the first two are disturbed.
        return candidates * steps * (3 if 25 < len(asked) <= 25 + 100 else 1)

    machine.milliseconds = milliseconds
    planner = make(0.045)
    assert planner.settle().level == planner.level == 0
    assert len(asked) == 25 + 3 * 50


@pytest.mark.parametrize("budget", [0.03, math.inf])
def test_a_machine_too_slow_for_the_timing_is_refused(make, machine, budget):
    machine.milliseconds = lambda candidates, steps: 61.0
    with pytest.raises(TimingError, match="p99 plan time 61.0 ms is over"):
        make(budget).settle()


def test_measuring_ends_with_the_second_plan_over_the_limit(make):
    planner = make(math.inf)
    assert len(plan_times(planner, 5, RewardSettings(), limit=NEVER)) == 2
    assert len(plan_times(planner, 5, RewardSettings(), limit=ALWAYS)) == 5


def configured(artefact, **changed) -> AnytimePlanner:
    """The planner of the shipped parameters on another artefact, ``changed`` where said, on one thread."""
    own = {"artefact": str(artefact), "threads": 1, "backend": "onnxruntime"}
    shared = {name: changed.pop(name) for name in ("replan_margin", "time_budget_ms") if name in changed}
    settings, sampling = bringup.load_settings("planner")
    return make_planner(replace(settings, **shared), replace(sampling, **own, **changed))


def test_the_shipped_parameters_make_a_planner_with_a_budget(random_artefact):
    planner = configured(random_artefact)
    # A plan every tick first, then the configured timing.
    assert planner.budgets == pytest.approx([0.8 * 0.02] + [0.8 * 0.04] * 6)
    assert [level.timing for level in planner.levels[:2]] == [Timing(11, 1, 1), Timing()] and planner.configured == 1
    assert planner.describe().endswith("onnxruntime, 1 thread, time budget 16 and 32 ms")
    assert planner.describe_level().endswith(", f32, D = 1, R = 1")
    unlimited = configured(random_artefact, time_budget_ms=0.0)
    assert len(unlimited.levels) == 1 and unlimited.describe().endswith("no time budget")
    with pytest.raises(TimingError, match="time budget 61 ms does not fit"):
        configured(random_artefact, time_budget_ms=61.0)


@pytest.mark.parametrize(
    ("plan_times_by_count", "threads"),
    [
        ({1: 8.0}, 1),
        ({1: 8.0, 2: 6.5}, 1),  # not worth a core: over 80 % of 8
        ({1: 8.0, 2: 6.4}, 2),
        ({1: 8.0, 2: 6.0, 4: 5.0, 8: 4.7}, 2),
        ({1: 8.0, 2: 7.0, 4: 6.0, 8: 4.0}, 1),
    ],
)
def test_threads_have_to_be_worth_their_cores(plan_times_by_count, threads):
    assert choose_threads(plan_times_by_count) == threads


@pytest.mark.parametrize(("cores", "tried"), [(1, []), (2, []), (3, [1, 2]), (4, [1, 2]), (9, [1, 2, 4, 8])])
def test_one_core_is_left_to_the_other_executables(random_artefact, monkeypatch, cores, tried):
    threads = []

    def times(planner, plans, rewards, *, paced):
        threads.append(planner.config.threads)
        return np.full(plans, 1.0 / planner.config.threads)

    monkeypatch.setattr(settings, "plan_times", times)
    assert measure_threads(prior.load(random_artefact), CONFIG, cores) == max([1, *tried])
    assert threads == tried


@pytest.fixture
def settled(random_artefact):
    """The planner of parameters that leave the replan margin to the start."""
    return configured(random_artefact, replan_margin=None, candidates=4)


def test_a_margin_that_is_settled_adds_a_level_with_a_plan_every_tick(settled):
    timings = [(level.timing.replan_margin, level.timing.replan_interval) for level in settled.levels]
    assert timings == [(1, 1)] + [(3, 2)] * 5 and settled.configured == 1
    assert settled.budgets == pytest.approx([0.016] + [0.032] * 5)
    assert settled.describe().endswith("time budget 16 and 32 ms")
    # On the same weights, and the same plan but for the margin that it says.
    assert settled.levels[0].artefact is settled.levels[1].artefact
    quick, configured = (level.plan(standing_request(Timing(), RewardSettings())) for level in settled.levels[:2])
    np.testing.assert_array_equal(quick.joint_targets, configured.joint_targets)
    assert (quick.replan_margin, configured.replan_margin) == (1, 3)


@pytest.mark.parametrize(("milliseconds", "timing", "level"), [(4, (1, 1), 0), (5, (3, 2), 1), (9, (3, 2), 2)])
def test_a_plan_every_tick_is_made_where_there_is_time(settled, machine, milliseconds, timing, level):
    """The first two levels plan alike: N = 4 takes 4 * ``milliseconds``, and 16 and 32 ms are allowed."""
    machine.milliseconds = lambda candidates, steps: candidates * milliseconds * steps / 10 * 0.999
    assert settled.settle().level == settled.level == level
    assert (settled.timing.replan_margin, settled.timing.replan_interval) == timing
    assert (settled.facts()["replan_margin"], settled.facts()["replan_interval"]) == timing


def test_a_quick_level_may_take_less_time_than_a_later_one_with_more_budget(settled, machine):
    """As int8 with a plan every tick does before f32 with one every other: 14 of 16 ms, then 20 of 32."""
    machine.milliseconds = lambda candidates, steps: 20.0 * candidates * steps / 40
    sampling = SamplingOptions(candidates=4, steps=7)
    quick = SimpleNamespace(config=SimpleNamespace(sampling=sampling), timing=Timing(11, 1, 1))
    settled.levels = [quick, *settled.levels[1:]]
    assert settled.settle().level == settled.level == 0
    np.testing.assert_allclose(settled.controller.costs[:2], [14 / 16, 20 / 32])


def test_under_load_it_plans_more_rarely_before_it_plans_worse(settled, machine):
    machine.milliseconds = lambda candidates, steps: candidates * steps * 0.3  # 12 ms, at 10 steps
    settled.settle()
    levels = []
    for share in (18.0, 18.0):  # [ms]: too long for 16, not for 32
        settled.controller.add(share / 16.0)
        levels.append(settled.level)
    assert levels == [0, 1] and settled.timing == Timing()
    for _ in range(2):
        settled.controller.add(40.0 / 32.0)
    assert settled.level == 2


@pytest.fixture(params=[True, False], ids=["int8 graph", "no int8 graph"])
def has_int8(request, monkeypatch):
    def int8(artefact):
        if not request.param:
            raise ConfigurationError("no int8 graph")
        return artefact

    monkeypatch.setattr(inference, "int8_artefact", int8)
    return request.param


def rungs(planner):
    facts = [level.facts() for level in planner.levels]
    return [(fact["precision"], fact["candidates"], fact["cached_steps"]) for fact in facts]


def test_int8_is_a_rung_before_candidates_are_given_up(random_artefact, has_int8):
    """N = 2: two candidates, one, then five and three steps left of ten."""
    below = "int8" if has_int8 else "f32"
    steps = [(below, 1, 0), (below, 1, 5), (below, 1, 7)]
    best = [("f32", 2, 0), *([("int8", 2, 0)] if has_int8 else [])]
    given = configured(random_artefact, replan_margin=3, candidates=2)
    assert rungs(given) == best + steps and given.configured == 0
    # With a margin that is settled at start, both are tried with a plan every tick before.
    settled = configured(random_artefact, candidates=2)
    assert rungs(settled) == best + best + steps and settled.configured == len(best)
    assert [level.timing.replan_margin for level in settled.levels] == [1] * len(best) + [3] * len(best + steps)
    # Without a time budget there is nothing to choose from.
    unlimited = configured(random_artefact, candidates=2, time_budget_ms=0.0)
    assert rungs(unlimited) == best[:1]


@pytest.mark.parametrize(("margin", "told"), [(3, False), (4, True)])
def test_a_margin_past_the_one_of_the_card_is_told(random_artefact, margin, told):
    """The card of the artefact says D = 3."""
    text = configured(random_artefact, replan_margin=margin).describe()
    assert ("committed actions, trained for 3" in text) == told


def test_without_a_time_budget_the_margin_is_the_configured_one(random_artefact):
    planner = configured(random_artefact, replan_margin=None, time_budget_ms=0.0)
    assert len(planner.levels) == 1 and planner.timing == Timing() and planner.configured == 0


@pytest.mark.parametrize("quickest", ["onnxruntime", "openvino"])
def test_the_quickest_backend_is_taken(random_artefact, monkeypatch, quickest):
    measured = []

    def times(planner, plans, rewards, *, paced):
        assert paced and rewards.weights and planner.config.threads == 1
        measured.append(planner.config.backend)
        return np.full(plans, 1.0 if planner.config.backend == quickest else 2.0)

    monkeypatch.setattr(settings, "plan_times", times)
    monkeypatch.setattr(settings, "DiffusionMpcPlanner", lambda artefact, config: SimpleNamespace(config=config))
    monkeypatch.setattr(settings, "has_openvino", lambda: True)
    config = replace(CONFIG, backend="auto", threads=0)
    assert measure_backends(prior.load(random_artefact), config) == quickest
    assert sorted(measured) == ["onnxruntime", "openvino"]


def test_a_backend_that_computes_wrongly_here_is_left_out(random_artefact, monkeypatch):
    def times(planner, plans, rewards, *, paced):
        if planner.config.backend == "openvino" or broken:
            raise ArtefactError(f"{planner.config.backend} differs by 40 %")
        return np.full(plans, 1.0)

    monkeypatch.setattr(settings, "plan_times", times)
    monkeypatch.setattr(settings, "DiffusionMpcPlanner", lambda artefact, config: SimpleNamespace(config=config))
    monkeypatch.setattr(settings, "has_openvino", lambda: True)
    loaded, config, broken = prior.load(random_artefact), replace(CONFIG, backend="auto"), False
    assert measure_backends(loaded, config) == "onnxruntime"
    broken = True
    with pytest.raises(ArtefactError, match="openvino differs by 40 %"):
        measure_backends(loaded, config)


def test_where_there_is_no_choice_of_a_backend_nothing_is_measured(random_artefact, monkeypatch):
    loaded = prior.load(random_artefact)
    assert measure_backends(loaded, replace(CONFIG, precision="bf16")) == "openvino"
    monkeypatch.setattr(settings, "has_openvino", lambda: False)
    assert measure_backends(loaded, CONFIG) == "onnxruntime"


def test_at_another_timing_every_level_is_of_it_and_the_planner_itself_stays(settled):
    other = settled.at(Timing(11, 2, 4))
    assert {level.timing for level in other.levels} == {Timing(11, 2, 4)} and other.timing == Timing(11, 2, 4)
    assert settled.timing == Timing(11, 1, 1)


def test_a_plan_tells_all_that_makes_it_again(make):
    planner = make()
    planner.controller, planner.budgets = LevelController([1.0] * 5, 1.0, calm=3), [NEVER] * 5
    plans = [plan(planner, tick) for tick in range(0, 8, 2)]
    assert [each.facts["level"] for each in plans] == [0, 0, 4, 4] and plans[0].facts["committed"] == 3
    another = make()
    for known in (plans[1], plans[0]):
        another.resume(known.facts)
        np.testing.assert_array_equal(plan(another, known.start_tick).joint_targets, known.joint_targets)
    with pytest.raises(PlanError, match=r"made at level 7, this planner has the levels 0..4"):
        another.resume({"level": 7.0})
    with pytest.raises(PlanError, match="does not say the level"):
        another.resume({})


def test_a_successor_takes_over_with_the_next_plan_and_not_before(random_artefact, tmp_path):
    planner, fresh = (configured(random_artefact, candidates=2, replan_margin=3) for _ in range(2))
    planner.controller.level = 1
    plan(planner, 0)
    successor = planner.on(str(shutil.copytree(random_artefact, tmp_path / "other")))
    levels = successor.levels
    successor.prepare()
    planner.succeed(successor)
    assert planner.levels is not levels and not successor.in_use.is_set()  # nobody plans
    taken = plan(planner, 2)
    assert planner.levels is levels and successor.levels is not levels and planner.level == 1
    assert successor.in_use.is_set()
    expected = fresh.levels[1].plan(standing_request(planner.timing, RewardSettings(), 2))
    np.testing.assert_array_equal(taken.joint_targets, expected.joint_targets)


def test_only_a_planner_with_an_artefact_takes_another_one(make, random_artefact):
    with pytest.raises(ConfigurationError, match="has no model artefact that could be another one"):
        make().on(str(random_artefact))
