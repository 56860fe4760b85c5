"""What robots did under D-MPC: executed without looking, with the change that is asked for."""

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import PREVIOUS_ACTION
from diffusion_mpc_ros.training.action_noise import ActionNoise
from diffusion_mpc_ros.training.d_mpc import walks
from diffusion_mpc_ros.training.d_mpc.transitions import TransitionWindows, fit_normalizer, load_arrays
from diffusion_mpc_ros.training.d_mpc.walks import WalksConfig
from diffusion_mpc_ros.training.finetuning.actors import SETTLING


def test_a_dataset_that_dynamics_learn_from(tmp_path):
    config = WalksConfig(
        output=tmp_path, robots=3, ticks=40, parts=2, change="foot 2 cm longer", noise=ActionNoise(clean=0.0)
    )
    walks.main(config)
    arrays = load_arrays([tmp_path], relabel=False)
    assert arrays["executed"].shape == (6, 40, 12) and np.abs(arrays["executed"] - arrays["action"]).max() > 0.05
    np.testing.assert_allclose(arrays["observation"][:, 1:, PREVIOUS_ACTION], arrays["executed"][:, :-1], atol=1e-6)
    assert arrays["fresh"][:, :SETTLING].all() and not arrays["fresh"][:, SETTLING:].all()
    assert 0.2 < arrays["base_height"][:, -1].mean() < 0.4
    assert len(TransitionWindows(arrays, 4, fit_normalizer(arrays)))
    # All that was asked for is there: nothing is walked again; another change needs another folder.
    walks.main(config)
    with pytest.raises(ConfigurationError, match="collected with other settings .change"):
        walks.main(WalksConfig(**{**vars(config), "change": ""}))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigurationError, match="robots must be at least 1, got 0"):
        WalksConfig(robots=0)
