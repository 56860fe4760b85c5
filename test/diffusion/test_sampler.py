"""Algorithm 1 with a backend that records its inputs and knows the clean trajectory."""

import dataclasses

import numpy as np
import pytest

from diffusion_mpc_ros.constraints.box import restrict_box
from diffusion_mpc_ros.constraints.kind import FREE_BOUND
from diffusion_mpc_ros.constraints.registry import feasible_bounds, known_bounds
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError, PlanError
from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.trajectory import ACTION, COMMAND, JOINT_POS, OBSERVATION, PREVIOUS_ACTION
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.prior import ModelDescription
from diffusion_mpc_ros.diffusion.sampler import (
    DiffusionSampler,
    Guidance,
    SamplingOptions,
    resampling_steps,
)
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule

RNG = np.random.default_rng(11)
NORMALIZER = Normalizer(RNG.normal(scale=0.3, size=57), RNG.uniform(0.2, 2.0, size=57))
DESCRIPTION = ModelDescription(
    horizon=11,
    replan_margin=3,
    normalizer=NORMALIZER,
    schedule=NoiseSchedule(10),
    noise_scale=0.5,
    reward_terms=("posture", "energy"),
    bounds={name: bound.size for name, bound in known_bounds().items()},
    parameters={"posture.target": 12},
)
GUIDANCE = Guidance(np.zeros(2), {"posture.target": np.zeros(12)}, feasible_bounds((), {}, np.arange(12)))
OBSERVATIONS = RNG.normal(scale=0.2, size=(2, 45))
CLEAN = RNG.uniform(-1, 1, size=(12, 57)).astype(np.float32)


class PerfectStep:
    """The guided step in NumPy for a denoiser that always predicts CLEAN; the reward is minus the first action."""

    def __init__(self, batch, record):
        self.inputs = {name: np.zeros(shape, dtype) for name, (dtype, shape) in DESCRIPTION.inputs(batch).items()}
        self.outputs = {name: np.zeros(shape, dtype) for name, (dtype, shape) in DESCRIPTION.outputs(batch).items()}
        self.record = record

    def run(self):
        inputs = self.inputs
        self.record.append({name: array.copy() for name, array in inputs.items()})
        c_x0, c_tau, sigma = (inputs["transition"][:, i, None] for i in range(3))
        tau = c_x0 * CLEAN + c_tau * inputs["tau"] + sigma * inputs["noise"]
        tau = np.where(inputs["known_mask"], inputs["known"], np.clip(tau, inputs["lower"], inputs["upper"]))
        self.outputs["tau_next"][...] = tau
        self.outputs["trajectory"][...] = tau * NORMALIZER.std + NORMALIZER.mean
        self.outputs["reward"][...] = -inputs["noise"][:, 5, 0]


class PerfectBackend:
    def __init__(self):
        self.record = []

    def bind(self, batch):
        return PerfectStep(batch, self.record)


def make_sampler(**options):
    backend = PerfectBackend()
    return DiffusionSampler(DESCRIPTION, backend, SamplingOptions(**options)), backend.record


def test_a_perfect_denoiser_gives_the_clean_trajectory_with_the_known_entries():
    sampler, record = make_sampler(candidates=3)
    committed = RNG.uniform(-0.3, 0.3, size=(3, 2, 12))
    committed[..., 2::3] -= 1.5
    sample = sampler.sample(7, OBSERVATIONS, committed, GUIDANCE)
    assert sample.trajectory.shape == (2, 12, 57)
    assert sample.joint_targets.shape == (11, 2, 12)
    assert sample.denoising_steps == len(record) == 10
    np.testing.assert_allclose(sample.trajectory[:, 0, OBSERVATION], OBSERVATIONS, atol=1e-5)
    np.testing.assert_allclose(
        sample.trajectory[:, :, COMMAND], np.repeat(OBSERVATIONS[:, None, COMMAND], 12, axis=1), atol=1e-5
    )
    np.testing.assert_array_equal(sample.joint_targets[:3], committed)
    np.testing.assert_allclose(np.moveaxis(sample.trajectory[:, 1:4, PREVIOUS_ACTION], 1, 0), committed, atol=1e-5)
    free = CLEAN * NORMALIZER.std + NORMALIZER.mean
    np.testing.assert_allclose(sample.trajectory[1, 1:, JOINT_POS], free[1:, JOINT_POS], atol=1e-5)
    np.testing.assert_allclose(
        sample.joint_targets[3:, 1], np.clip(free[3:11, ACTION], JOINT_POS_MIN, JOINT_POS_MAX), atol=1e-5
    )


def test_the_denoiser_is_told_levels_and_committed_rows():
    sampler, record = make_sampler(candidates=1)
    sampler.sample(0, OBSERVATIONS, np.zeros((3, 2, 12)), GUIDANCE)
    abar = DESCRIPTION.schedule.alphas_cumprod
    for step, inputs in enumerate(record):
        np.testing.assert_allclose(inputs["row_features"][:, 0], np.sqrt(abar[10 - step]), rtol=1e-6)
        assert inputs["row_features"][:, 2].tolist() == [1.0] * 3 + [0.0] * 9
    mask = record[0]["known_mask"]
    assert mask.sum() == 45 + 11 * 3 + 3 * 12 + 3 * 12  # row 0, commands, committed actions and their echo


@pytest.mark.parametrize(
    "bounds", [{"lower": 57, "upper": 57, "slope": 12}, {"lower": 57}, {**DESCRIPTION.bounds, "torque_max": 3}]
)
def test_a_graph_with_other_sets_is_refused(bounds):
    other = dataclasses.replace(DESCRIPTION, bounds=bounds)
    with pytest.raises(ArtefactError, match=r"this version knows \{'lower': 57.*needs lower, upper"):
        DiffusionSampler(other, PerfectBackend(), SamplingOptions())


def test_no_committed_actions_means_no_flag():
    sampler, record = make_sampler(candidates=1)
    sampler.sample(0, OBSERVATIONS, None, GUIDANCE)
    assert not record[0]["row_features"][:, 2].any()
    assert not record[0]["known_mask"][:, ACTION].any()


def test_the_best_candidate_of_each_robot_is_taken():
    sampler, record = make_sampler(candidates=8, steps=2, sampler="ddim")
    sampler.sample(0, OBSERVATIONS, None, GUIDANCE)
    step = sampler._backend.bind(16)
    step.outputs["reward"][...] = np.arange(16) % 5
    step.outputs["trajectory"][...] = np.arange(16)[:, None, None]
    reward, trajectory, _ = sampler._best(step.outputs, 2)
    # Rewards 0 1 2 3 4 0 1 2 | 3 4 0 1 2 3 4 0: the first largest are candidates 4 and 9.
    assert reward.tolist() == [4.0, 4.0]
    assert trajectory[:, 0, 0].tolist() == [4.0, 9.0]


WEIGHED = Guidance(np.array([0.0, 0.3]), GUIDANCE.parameters, GUIDANCE.bounds)


def test_candidates_are_resampled_by_their_rewards():
    sampler, record = make_sampler(candidates=4, survivors=0.5, noise_scale=1.0)
    sampler.sample(0, OBSERVATIONS, None, WEIGHED)
    entry = JOINT_POS.start
    # Of ten steps, after the fourth, sixth and eighth; the last one ranks for the choice of the best.
    assert [bool(inputs["ranked"]) for inputs in record] == [step in (4, 6, 8, 10) for step in range(1, 11)]
    for step in range(9):
        before, after = record[step], record[step + 1]["tau"][:, 5, JOINT_POS].reshape(2, 4, 12)
        if step + 1 not in (4, 6, 8):
            assert len(np.unique(after[0], axis=0)) == 4
            continue
        # The reward is minus the noise of row 5: of each robot's four, the two with the smallest go on, twice each.
        noise = before["noise"][:, 5, 0].reshape(2, 4)
        transition = before["transition"][5]
        expected = transition[:3] @ np.stack(
            [np.broadcast_to(CLEAN[5, entry], 8), before["tau"][:, 5, entry], before["noise"][:, 5, entry]]
        )
        for robot in range(2):
            first, second = np.sort(np.argsort(noise[robot])[:2])
            chosen = expected.reshape(2, 4)[robot, [first, second, first, second]]
            np.testing.assert_allclose(after[robot, :, 0], chosen, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "guidance"),
    [
        ({"survivors": 1.0}, WEIGHED),  # Algorithm 1 as it stands in the paper
        ({"candidates": 1}, WEIGHED),
        ({"sampler": "ddim"}, WEIGHED),  # no noise would make copies differ again
        ({}, GUIDANCE),  # all weights zero: all candidates are as good
    ],
)
def test_where_nothing_is_resampled(options, guidance):
    sampler, record = make_sampler(**{"candidates": 8, **options})
    sampler.sample(0, OBSERVATIONS, None, guidance)
    assert [bool(inputs["ranked"]) for inputs in record] == [False] * 9 + [True]


@pytest.mark.parametrize(
    ("noisy", "resampled"),
    [
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 0], [4, 6, 8]),
        ([1, 1, 1, 1, 0], [2]),  # 2, 3 and 4 of five: the third follows at once, and after the fourth there is no noise
        ([1, 1, 0], [1]),  # 1.2, 1.8 and 2.4 of three steps
        ([1, 1, 1, 1, 1, 0], [2, 4]),  # 2.4, 3.6 and 4.8 of six
        ([1, 0], []),
        ([0], []),
    ],
)
def test_candidates_are_resampled_where_noise_follows(noisy, resampled):
    assert (np.flatnonzero(resampling_steps(np.array(noisy, dtype=bool))) + 1).tolist() == resampled


@pytest.mark.parametrize(("candidates", "surviving"), [(1, 1), (2, 1), (5, 1), (10, 2), (32, 8), (100, 25)])
def test_a_quarter_of_the_candidates_survives(candidates, surviving):
    assert SamplingOptions(candidates=candidates).surviving == surviving


def test_a_reward_that_is_not_finite_does_not_survive():
    sampler, _ = make_sampler(candidates=4, survivors=0.25)
    tau = np.arange(4.0)[:, None, None] * np.ones((4, 12, 57))
    sampler._resample(tau, np.array([np.nan, -2.0, -1.0, np.nan]))
    assert (tau == 2.0).all()


def test_noise_is_scaled_and_the_same_seed_gives_the_same_sample():
    samples = []
    for scale in (None, 0.5, 0.0):
        sampler, record = make_sampler(candidates=4, noise_scale=scale, seed=3)
        sampler.sample(0, OBSERVATIONS, None, GUIDANCE)
        samples.append(record[0]["tau"][:, 1:, JOINT_POS])
    np.testing.assert_array_equal(samples[0], samples[1])  # None takes the description's 0.5
    assert samples[1].std() == pytest.approx(0.5, rel=0.1)
    assert not samples[2].any()


def test_reset_restarts_the_random_numbers():
    sampler, record = make_sampler(candidates=2)
    sampler.sample(0, OBSERVATIONS, None, GUIDANCE)
    sampler.reset()
    sampler.sample(0, OBSERVATIONS, None, GUIDANCE)
    np.testing.assert_array_equal(record[0]["tau"], record[10]["tau"])


def test_guidance_reaches_the_graph_normalised_and_finite():
    sampler, record = make_sampler(candidates=1, guidance_scale=2.0)
    bounds = feasible_bounds((), {}, np.arange(12))
    restrict_box(bounds, JOINT_POS, -np.inf, 0.4)
    bounds["torque_max"][...], bounds["band_lower"][...], bounds["band_upper"][...] = 15.0, -0.2, 0.1
    guidance = Guidance(np.array([0.0, 0.3]), {"posture.target": np.full(12, 0.1)}, bounds)
    sampler.sample(0, OBSERVATIONS, None, guidance)
    inputs = record[0]
    assert inputs["guidance_scale"] == 2.0
    assert inputs["reward_weights"].tolist() == pytest.approx([0.0, 0.3])
    assert inputs["posture.target"].tolist() == pytest.approx([0.1] * 12)
    expected = (0.4 - NORMALIZER.mean[JOINT_POS]) / NORMALIZER.std[JOINT_POS]
    np.testing.assert_allclose(inputs["upper"][0, JOINT_POS], expected, rtol=1e-6)
    assert (inputs["lower"][:, OBSERVATION] == -FREE_BOUND).all()
    assert (inputs["torque_max"] == 15.0).all()
    expected = (0.1 - NORMALIZER.mean[JOINT_POS]) / NORMALIZER.std[JOINT_POS]
    np.testing.assert_allclose(inputs["band_upper"][11], expected, rtol=1e-6)
    sampler.sample(1, OBSERVATIONS, None, GUIDANCE)
    assert (record[-1]["torque_max"] == FREE_BOUND).all()
    assert record[-1]["guidance_scale"] == 0.0  # all weights zero: the graph may skip the gradient


def test_cached_steps_start_from_the_shifted_sample():
    sampler, record = make_sampler(candidates=2, cached_steps=6, noise_scale=0.0)
    first = sampler.sample(100, OBSERVATIONS, None, GUIDANCE)
    second = sampler.sample(103, OBSERVATIONS, None, GUIDANCE)
    assert (first.denoising_steps, second.denoising_steps) == (10, 4)
    start, abar = record[10], DESCRIPTION.schedule.alphas_cumprod
    # Rows 0-8 have a predecessor 3 rows later and enter at level 10 - 6 = 4; rows 9-11 enter at level 10.
    np.testing.assert_allclose(start["row_features"][:9, 0], np.sqrt(abar[4]), rtol=1e-6)
    np.testing.assert_allclose(start["row_features"][9:, 0], np.sqrt(abar[10]), rtol=1e-6)
    expected = np.sqrt(abar[4]) * NORMALIZER.normalize(first.trajectory)[:, 3:, JOINT_POS]
    np.testing.assert_allclose(start["tau"][::2, 1:9, JOINT_POS], expected[:, 1:], atol=1e-5)
    assert not start["tau"][:, 9:, JOINT_POS].any()
    # All rows are clean at the end: 10 -> 8 -> 5 -> 2 -> 0 beside 4 -> 3 -> 2 -> 1 -> 0.
    levels = np.round([[np.argmin(abs(np.sqrt(abar) - f)) for f in r["row_features"][[1, 11], 0]] for r in record[10:]])
    assert levels.tolist() == [[4, 10], [3, 8], [2, 5], [1, 2]]
    for before, after in zip(record[10:], record[11:]):
        np.testing.assert_array_equal(before["next_row_features"], after["row_features"])
    assert (record[-1]["next_row_features"][:, :2] == [1.0, 0.0]).all()
    np.testing.assert_allclose(second.trajectory[:, 1:, JOINT_POS], first.trajectory[:, 1:, JOINT_POS], atol=1e-4)


def test_rewarmed_rows_hold_signal_and_noise_of_their_level():
    sampler, record = make_sampler(candidates=200, cached_steps=6, noise_scale=1.0)
    sampler.sample(0, OBSERVATIONS[:1], None, GUIDANCE)
    sampler.sample(2, OBSERVATIONS[:1], None, GUIDANCE)
    start, abar = record[10]["tau"], DESCRIPTION.schedule.alphas_cumprod
    assert start[:, 1:10, JOINT_POS].std(axis=0).mean() == pytest.approx(np.sqrt(1 - abar[4]), rel=0.02)
    assert start[:, 10:, JOINT_POS].std(axis=0).mean() == pytest.approx(1.0, rel=0.02)


def shifted_command(delta):
    observation = OBSERVATIONS.copy()
    observation[1, COMMAND] += delta
    return observation


@pytest.mark.parametrize(
    ("tick", "observation", "key", "steps"),
    [
        (2, OBSERVATIONS, None, 5),  # nothing changed
        (2, shifted_command(0.04), None, 5),  # within the tolerance
        (2, shifted_command(0.2), None, 10),  # a new command
        (2, OBSERVATIONS, "standing", 10),  # another mode or reward revision
        (11, OBSERVATIONS, None, 5),  # one row overlaps
        (12, OBSERVATIONS, None, 10),  # none does
        (-1, OBSERVATIONS, None, 10),  # the clock went back
        (2, OBSERVATIONS[:1], None, 10),  # other robots
    ],
)
def test_what_refreshes_the_cache(tick, observation, key, steps):
    sampler, _ = make_sampler(candidates=1, cached_steps=5)
    sampler.sample(0, OBSERVATIONS, None, GUIDANCE)
    guidance = Guidance(GUIDANCE.weights, GUIDANCE.parameters, GUIDANCE.bounds, key)
    assert sampler.sample(tick, observation, None, guidance).denoising_steps == steps


def test_a_timeout_refreshes_the_cache():
    sampler, _ = make_sampler(candidates=1, cached_steps=5, refresh_ticks=6)
    steps = [sampler.sample(tick, OBSERVATIONS, None, GUIDANCE).denoising_steps for tick in range(0, 16, 2)]
    assert steps == [10, 5, 5, 10, 5, 5, 10, 5]


def test_a_refresh_may_take_fewer_steps():
    sampler, record = make_sampler(candidates=1, cached_steps=7, refresh_ticks=4, refresh_steps=3)
    samples = [sampler.sample(tick, OBSERVATIONS, None, GUIDANCE) for tick in (0, 2, 4)]
    assert [sample.denoising_steps for sample in samples] == [3, 3, 3]
    abar = DESCRIPTION.schedule.alphas_cumprod
    # From noise at level 10 in three strides, 10 -> 7 -> 3 -> 0; the cached one from level 3 step by step.
    assert [inputs["row_features"][1, 0] for inputs in record] == pytest.approx(
        np.sqrt(abar[[10, 7, 3, 3, 2, 1, 10, 7, 3]]), rel=1e-6
    )


def test_bad_shapes_and_samples_that_are_not_finite_are_refused():
    sampler, _ = make_sampler(candidates=1, cached_steps=5)
    with pytest.raises(PlanError, match=r"observation must be \(B, 45\)"):
        sampler.sample(0, OBSERVATIONS[0], None, GUIDANCE)
    with pytest.raises(PlanError, match="committed actions must be"):
        sampler.sample(0, OBSERVATIONS, np.zeros((3, 5, 12)), GUIDANCE)
    sampler.sample(0, OBSERVATIONS, None, GUIDANCE)
    with pytest.raises(PlanError, match="tick 1 is not finite"):
        sampler.sample(1, np.full((2, 45), np.nan), None, GUIDANCE)
    assert sampler.sample(2, OBSERVATIONS, None, GUIDANCE).denoising_steps == 10  # the cache is gone


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "euler"}, "needed is one of ddpm, ddim"),
        ({"candidates": 0}, "candidates = 0: needed is a whole number in 1 .. 256"),
        ({"refresh_steps": 11}, "0 <= refresh_steps <= steps"),
        ({"cached_steps": 10}, "0 <= m < steps"),
        ({"noise_scale": float("nan")}, "noise_scale = nan: needed is a number in 0 .. 10, or auto"),
        ({"guidance_scale": -1.0}, "guidance_scale = -1.0: needed"),
        ({"survivors": 0.0}, "survivors = 0.0: needed is a number in 0.01 .. 1"),
        ({"survivors": float("nan")}, "survivors = nan: needed is a number in 0.01 .. 1"),
        ({"steps": 11}, "11 denoising steps"),
    ],
)
def test_senseless_options_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        make_sampler(**options)


def test_a_sample_is_made_again_from_the_count_of_random_numbers_before_it():
    sampler, _ = make_sampler(candidates=3)
    counts, samples = [], []
    for tick in range(4):
        counts.append(sampler.drawn)
        samples.append(sampler.sample(tick, OBSERVATIONS, None, GUIDANCE))
    # 2 robots x 3 candidates x 12 x 57 at the start and in each of the 10 steps but the last, which adds no noise.
    assert counts == [count * 2 * 3 * 12 * 57 * 10 for count in range(4)]
    for tick in (2, 3, 0, 1):  # onwards, and back to the seed
        sampler.seek(counts[tick])
        again = sampler.sample(tick, OBSERVATIONS, None, GUIDANCE)
        np.testing.assert_array_equal(again.joint_targets, samples[tick].joint_targets)
