"""The levels of Diffusion-MPC: each takes less time than the one before."""

from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.diffusion_mpc.ladder import sampling_levels

DEFAULT = SamplingOptions()


def test_the_ladder_of_the_default():
    assert [(level.candidates, level.steps, level.cached_steps) for level in sampling_levels(DEFAULT)] == [
        (10, 10, 0), (5, 10, 0), (2, 10, 0), (1, 10, 0), (1, 10, 5), (1, 10, 7),
    ]  # fmt: skip
    # A run from noise takes no more steps than a cached one.
    assert [level.refresh_steps for level in sampling_levels(DEFAULT)] == [0, 0, 0, 0, 5, 3]


def test_what_is_cached_already_stays_cached():
    levels = sampling_levels(SamplingOptions(1, "ddim", cached_steps=6))
    assert [(level.cached_steps, level.refresh_steps) for level in levels] == [(6, 0), (6, 5), (7, 3)]
    assert len(sampling_levels(SamplingOptions(1, "ddim", steps=3))) == 1


@given(st.integers(1, 256), st.integers(1, 20), st.sampled_from(["ddpm", "ddim"]), st.data())
def test_each_level_takes_less_than_the_one_before(candidates, steps, sampler, data):
    cached, refresh = data.draw(st.integers(0, steps - 1)), data.draw(st.integers(0, steps))
    configured = SamplingOptions(
        candidates, sampler, steps, cached_steps=cached, refresh_steps=refresh, guidance_scale=0.7, seed=3
    )
    levels = sampling_levels(configured)
    assert levels[0] == configured and levels[-1].candidates == 1
    # The longest plans, from noise, get shorter at every level, the cached ones no longer.
    work = [(level.candidates * (level.refresh_steps or steps), level.candidates * (steps - level.cached_steps))
            for level in levels]  # fmt: skip
    assert all(after[0] < before[0] and after[1] <= before[1] for before, after in zip(work, work[1:]))
    assert {(level.guidance_scale, level.seed, level.refresh_ticks) for level in levels} == {(0.7, 3, 50)}
