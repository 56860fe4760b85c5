"""The normaliser: standard deviations, clamp, exact JSON round trip, refusals."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.diffusion.normalizer import Normalizer

RNG = np.random.default_rng(3)
NORMALIZER = Normalizer(RNG.normal(size=57), RNG.uniform(0.1, 4.0, size=57), clamp=6.0)


def test_within_the_clamp_a_row_is_given_in_standard_deviations_from_the_mean():
    deviations = RNG.uniform(-5, 5, size=(4, 57))
    np.testing.assert_allclose(NORMALIZER.normalize(NORMALIZER.mean + deviations * NORMALIZER.std), deviations)


def test_outliers_are_clamped():
    far = NORMALIZER.mean + 100.0 * NORMALIZER.std
    np.testing.assert_allclose(NORMALIZER.normalize(far), 6.0)


@given(st.integers(0, 2**32 - 1))
def test_json_round_trip_loses_nothing(seed):
    rng = np.random.default_rng(seed)
    before = Normalizer(rng.normal(size=57), np.exp(rng.normal(size=57)), float(rng.uniform(1, 10)))
    after = Normalizer.from_json(json.loads(json.dumps(before.to_json())))
    assert (after.mean == before.mean).all()
    assert (after.std == before.std).all()
    assert after.clamp == before.clamp


def test_fit_gives_zero_mean_unit_std_and_floors_constant_features():
    rows = RNG.normal(2.0, 3.0, size=(500, 57))
    rows[:, 5] = 1.0
    fitted = Normalizer.fit(rows, min_std=0.01)
    normalised = fitted.normalize(rows)
    np.testing.assert_allclose(normalised.mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(np.delete(normalised.std(axis=0), 5), 1.0, atol=1e-2)
    assert fitted.std[5] == 0.01


@pytest.mark.parametrize(
    ("mean", "std", "clamp", "message"),
    [
        (np.zeros(56), np.ones(57), 6.0, "mean must be 57"),
        (np.full(57, np.nan), np.ones(57), 6.0, "mean must be 57 finite"),
        (np.zeros(57), np.full(57, np.inf), 6.0, "std must be 57 finite"),
        (np.zeros(57), np.zeros(57), 6.0, "std must be positive"),
        (np.zeros(57), np.ones(57), np.inf, "clamp must be positive"),
    ],
)
def test_bad_statistics_are_refused(mean, std, clamp, message):
    with pytest.raises(ArtefactError, match=message):
        Normalizer(mean, std, clamp)


def test_an_unreadable_card_part_is_refused():
    with pytest.raises(ArtefactError, match="not readable"):
        Normalizer.from_json({"mean": "zero"})
