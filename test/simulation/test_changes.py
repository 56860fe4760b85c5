"""Robots that have changed in one thing: in that, and in nothing else."""

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.changes import CHANGES, changed_model
from diffusion_mpc_ros.simulation.model import ModelIndices


@pytest.fixture(scope="module")
def built():
    return changed_model("")


def test_a_calf_motor_and_a_payload(built):
    weak, heavy = changed_model("calf motor at 40 %"), changed_model("payload 6 kg off centre")
    share = weak.actuator_forcerange[:, 1] / built.actuator_forcerange[:, 1]
    assert sorted(share.round(6)) == [0.4] + [1.0] * 11 and share[weak.actuator("FL_calf").id] == pytest.approx(0.4)
    assert heavy.body_mass.sum() - built.body_mass.sum() == pytest.approx(6.0)
    assert changed_model("friction 0.25").geom_friction[ModelIndices.of(built).ground, 0] == pytest.approx(0.25)


def test_a_longer_foot(built):
    # 2 cm of a shank of 21.3 cm, straight on.
    longer, foot = changed_model("foot 2 cm longer"), built.body("FL_foot").id
    np.testing.assert_allclose(built.body_pos[foot], [-0.002, 0.0, -0.213], atol=1e-9)
    np.testing.assert_allclose(longer.body_pos[foot], [-0.002, 0.0, -0.233], atol=1e-9)
    np.testing.assert_array_equal(np.delete(longer.body_pos, foot, 0), np.delete(built.body_pos, foot, 0))
    # The robot is put on its feet by the model that it has: on the longer one.
    robot = BatchSimulation(1, seed=0, threads=1, model=longer)
    assert (robot.state.foot_pos[0, :, 2] - robot.state.foot_pos[0, :, 2].min()).max() > 0.01


def test_an_unknown_change_is_refused():
    with pytest.raises(ConfigurationError, match="unknown change 'wings'; there is calf motor at 40 %, payload 6 kg"):
        changed_model("wings")
    assert len(CHANGES) == 4
