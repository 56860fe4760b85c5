"""The base estimator against the simulator's truth while the shipped demonstrator walks."""

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.evaluation.demonstrator_policy import DemonstratorPolicy
from diffusion_mpc_ros.evaluation.estimator import SensorNoise, demonstrator_walker, score_walk

COMMANDS = ((0.5, 0.0, 0.0), (0.0, 0.4, 0.0), (-0.5, 0.2, 0.5))
NOISE = {
    "exact sensors": SensorNoise(),
    "noisy sensors without foot force": SensorNoise(0.02, 0.2, 0.05, 0.002, 0.1, foot_sensors=False),
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_accuracy_on_a_mixed_walk(noise):
    walker = demonstrator_walker(DemonstratorPolicy(model_folder("demonstrator")), base_height=0.28)
    scores = score_walk(walker, COMMANDS, 4.5, noise, seed=0)
    assert scores.seconds == 4.5
    assert scores.restarts == 0
    assert max(scores.velocity_rmse) <= 0.08
    assert scores.height_rmse <= 0.015
    assert scores.meets_requirement()


def test_a_walk_too_short_to_start_is_refused():
    with pytest.raises(ConfigurationError, match="never started"):
        score_walk(lambda *_: np.asarray(DEFAULT_JOINT_POS), COMMANDS, 0.04, SensorNoise(), seed=0)
