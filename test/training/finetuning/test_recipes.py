"""Weights by return: to the letter of IV-C, by window and class, and supervised."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_rollouts import constant, made_rollouts

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import COMMAND
from diffusion_mpc_ros.training.finetuning.configuration import FinetuneConfig, RecipeConfig, ReturnConfig
from diffusion_mpc_ros.training.finetuning.recipes import (
    command_classes,
    exponential_weights,
    lesson,
    whole_windows,
)
from diffusion_mpc_ros.training.finetuning.returns import Value

CONFIG = FinetuneConfig(returns=ReturnConfig(smoothing=1), cut_before_fall=3)


def taught(rollouts, **recipe):
    torch.manual_seed(0)
    config = replace(CONFIG, recipe=RecipeConfig(**recipe))
    return lesson(rollouts, config, Value(1), torch.Generator().manual_seed(0)).arrays


def test_the_best_are_kept_and_weighed_by_the_exponential():
    # Values 0, 1, 2, 3: std sqrt(1.25) = 1.118. The upper half, T = 0.5 * 1.118: e^(-1/0.559) = 0.167 beside 1.
    weights = exponential_weights(np.arange(4.0), top=0.5, temperature=0.5)
    np.testing.assert_allclose(weights, np.array([0, 0, 0.1672, 1.0]) / (1.1672 / 4), rtol=1e-3)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.floats(0.05, 1.0), st.floats(-50.0, 50.0))
def test_weights_have_mean_one_and_know_no_offset(values, top, offset):
    values = np.round(np.array(values), 3)
    weights = exponential_weights(values, top, 0.5)
    assert weights.mean() == pytest.approx(1.0) and (weights >= 0.0).all()
    assert weights[np.argmax(values)] == weights.max()


def test_commands_fall_into_classes_by_axis_and_sense():
    commands = np.array(
        [(0, 0, 0), (0.5, 0, 0), (-0.5, 0, 0), (0, 0.4, 0), (0, -0.4, 0), (0, 0, 0.8), (0, 0, -0.8), (0.5, 0.1, 0)]
    )
    assert command_classes(commands).tolist() == list(range(8))


def test_windows_lie_whole_in_what_is_usable():
    usable = np.ones((1, 10), dtype=bool)
    usable[0, 4] = False
    assert whole_windows(usable, rows=3)[0].tolist() == [
        True,
        True,
        False,
        False,
        False,
        True,
        True,
        True,
        False,
        False,
    ]


def test_nobody_learns_from_the_last_ticks_before_a_fall():
    fell = np.zeros((1, 30), dtype=bool)
    fell[0, 20] = True
    fresh = np.zeros((1, 30), dtype=bool)
    fresh[0, 21:24] = True
    rollouts = made_rollouts(constant(1, 30, 0.5, 0, 0), constant(1, 30, 0.5, 0, 0), fell=fell, fresh=fresh)
    assert np.flatnonzero(~rollouts.usable(3)[0]).tolist() == [17, 18, 19, 20, 21, 22, 23]


def test_the_paper_weighs_whole_trajectories_and_leaves_commands():
    velocity = constant(4, 100, 0.5, 0.0, 0.0)
    velocity[:, :, 0] += np.array([0.3, 0.2, 0.1, 0.0])[:, None]
    arrays = taught(made_rollouts(constant(4, 100, 0.5, 0.0, 0.0), velocity), name="paper", top=0.5)
    np.testing.assert_array_equal(arrays["observation"][..., COMMAND], constant(4, 100, 0.5, 0.0, 0.0))
    weights = arrays["weight"]
    assert (weights[:2] == 0.0).all() and (weights[3, :89] > weights[2, :89]).all()
    assert (weights[:, :89] == weights[:, :1]).all() and (weights[:, 89:] == 0.0).all()


def test_windows_compete_within_their_class():
    # Backwards everybody tracks worse than forwards: the best of either class are kept all the same.
    command, velocity = constant(8, 100, 0.5, 0.0, 0.0), constant(8, 100, 0.5, 0.0, 0.0)
    command[4:, :, 0] = -0.5
    velocity[:4, :, 0] += np.array([0.2, 0.1, 0.05, 0.0])[:, None]
    velocity[4:, :, 0] = -0.5 + np.array([0.4, 0.3, 0.25, 0.2])[:, None]
    arrays = taught(made_rollouts(command, velocity), name="window", top=0.3)
    forwards, backwards = arrays["weight"][:4], arrays["weight"][4:]
    assert forwards.sum() == pytest.approx(backwards.sum(), rel=0.25)
    # Within 0.25 of the command the label is what was walked.
    np.testing.assert_allclose(arrays["observation"][7, :, COMMAND.start], -0.3, atol=1e-6)
    np.testing.assert_allclose(arrays["observation"][4, :, COMMAND.start], -0.5, atol=1e-6)


def test_supervised_learning_takes_all_windows_and_every_label():
    arrays = taught(made_rollouts(constant(2, 100, 0.5, 0, 0), constant(2, 100, -0.4, 0, 0)), name="hindsight")
    np.testing.assert_allclose(arrays["observation"][..., COMMAND.start], -0.4, atol=1e-6)
    assert (arrays["weight"][:, :89] == 1.0).all()


def test_in_hindsight_walks_that_sway_do_not_count():
    velocity = constant(2, 100, 0.5, 0, 0)
    velocity[1, :, 2] = np.tile([0.3, -0.3], 50)
    arrays = taught(made_rollouts(constant(2, 100, 0.5, 0, 0), velocity), name="hindsight", sway=0.2)
    assert (arrays["weight"][0, :89] == 1.0).all() and not arrays["weight"][1].any()
    # A sampler adds weights up: they are numbers, not whether.
    assert arrays["weight"].dtype == float


def test_unknown_recipes_are_refused_with_those_there_are():
    with pytest.raises(ConfigurationError, match="recipe 'best' is none of paper, window, hindsight"):
        RecipeConfig(name="best")
