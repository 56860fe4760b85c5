"""The card says which gait inputs a demonstrator has; what it has none for is not heeded; other cards are refused."""

import json
import shutil

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.trajectory import COMMAND
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS, GaitCommand


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(model_folder("demonstrator"), tmp_path / "demonstrator")


def change_card(folder, **changes) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "model": {**card["model"], **changes}}))


def test_the_shipped_demonstrator_heeds_what_its_card_names():
    policy = DemonstratorPolicy(model_folder("demonstrator"))
    observation = 0.1 * np.random.default_rng(0).standard_normal((3, 45))
    targets = policy(observation, GaitCommand.default(3), np.zeros((3, 2)))
    assert targets.shape == (3, 12) and targets.dtype == np.float64
    assert ((targets >= go2.JOINT_POS_MIN - 1e-6) & (targets <= go2.JOINT_POS_MAX + 1e-6)).all()
    for name in GAIT_PARAMETERS:
        gait = GaitCommand.default(3)
        getattr(gait, name)[:] = GAIT_PARAMETERS[name].high
        heeded = not np.allclose(policy(observation, gait, np.zeros((3, 2))), targets)
        assert heeded == (name in policy.gait_parameters)
    heeded = not np.allclose(policy(observation, GaitCommand.default(3), np.ones((3, 2))), targets)
    assert heeded == policy.has_clock


def test_a_walker_keeps_the_clock():
    policy = DemonstratorPolicy(model_folder("demonstrator"))
    walker = DemonstratorWalker(policy, GaitCommand.default(2))
    observation = np.zeros((2, 45))
    observation[0, COMMAND] = [0.5, 0.0, 0.0]
    for _ in range(10):
        walker.act(observation)
    # Ten ticks of 0.02 s at 2.2 Hz from 0.55 on; the second robot stands.
    np.testing.assert_allclose(walker.clock.phase, [0.99, 0.55])


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"joint_order": ["FL_hip_joint"]}, "joint order"),
        ({"gait": {"hop": {"unit": "m", "range": [0.0, 1.0]}}}, "unknown gait parameter 'hop'"),
        ({"gait": {"base_height": {"unit": "cm", "range": [0.2, 0.3]}}}, "range low < high in m"),
        ({"gait": {"base_height": {"unit": "m", "range": [0.3, 0.2]}}}, "range low < high in m"),
        ({"gait": None}, "which gait inputs"),
        ({"gait": {}}, r"has the inputs \['observation', "),
        ({"clock": "yes", "gait": {"pitch": {"unit": "rad", "range": [-0.1, 0.1]}}}, "names"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(folder, changes, cause):
    change_card(folder, **changes)
    with pytest.raises(ArtefactError, match=cause):
        DemonstratorPolicy(folder)


def test_a_changed_or_missing_file_is_refused(folder):
    with open(folder / "demonstrator.onnx", "ab") as file:
        file.write(b"x")
    with pytest.raises(ArtefactError, match="is corrupt: SHA-256"):
        DemonstratorPolicy(folder)
    with pytest.raises(ArtefactError, match="no readable card"):
        DemonstratorPolicy(folder / "nothing")


def test_another_kind_of_artefact_is_refused(random_artefact):
    with pytest.raises(ArtefactError, match="is a prior, a demonstrator is needed"):
        DemonstratorPolicy(random_artefact)
