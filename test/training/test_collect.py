"""Collection with the shipped demonstrator: clean labels that are the truth, held gaits, and parts that resume."""

import json
from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.trajectory import PREVIOUS_ACTION
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.training import collect
from diffusion_mpc_ros.training.action_noise import ActionNoise
from diffusion_mpc_ros.training.alternation import AlternatingPolicy
from diffusion_mpc_ros.training.collect import CollectConfig, GaitRanges, collect_part
from diffusion_mpc_ros.training.dataset import TrajectoryDataset, count_falls


@pytest.fixture(scope="module")
def policy():
    return DemonstratorPolicy(model_folder("demonstrator"))


def small(**changes) -> CollectConfig:
    config = CollectConfig(
        demonstrator=model_folder("demonstrator"), robots=4, ticks=12, settle_ticks=5, threads=1,
        noise=ActionNoise(clean=0.0, bursts=0.0),
    )  # fmt: skip
    return replace(config, **changes)


class WatchedSimulation(BatchSimulation):
    """Remembers the state that each step starts from and the one that it ends in."""

    def __init__(self, *arguments, **keywords):
        self.steps = []
        WatchedSimulation.last = self
        super().__init__(*arguments, **keywords)

    def step(self, joint_targets):
        before = self.state
        self.steps.append((before, super().step(joint_targets)))
        return self.state


def test_collection_is_reproducible_and_the_action_is_clean(policy):
    first, second = (collect_part(small(), [policy], seed=3) for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    assert first["observation"].shape == (4, 12, 45) and first["fresh"][:, 0].all()
    assert not np.allclose(first["action"], first["executed"])
    same_life = ~first["fresh"][:, 1:]
    echo = first["observation"][:, 1:, PREVIOUS_ACTION][same_life]
    np.testing.assert_allclose(echo, first["executed"][:, :-1][same_life], atol=1e-6)


def test_labels_are_the_truth(policy, monkeypatch):
    monkeypatch.setattr(collect, "BatchSimulation", WatchedSimulation)
    part = collect_part(small(push_ticks=4, push_speed=1.0), [policy], seed=3)
    simulation = WatchedSimulation.last
    assert len(simulation.steps) == 5 + 12
    for tick, (before, after) in enumerate(simulation.steps[5:]):
        np.testing.assert_allclose(part["base_height"][:, tick], before.base_pos[:, 2], atol=1e-6)
        np.testing.assert_allclose(part["foot_height"][:, tick], before.foot_pos[..., 2], atol=1e-6)
        np.testing.assert_allclose(part["base_lin_vel"][:, tick], before.base_lin_vel_b, atol=1e-6)
        np.testing.assert_allclose(part["mechanical_power"][:, tick], after.mechanical_power, rtol=1e-5)
    varied = np.arange(4) >= 0.4 * 4
    np.testing.assert_array_equal(part["payload_mass"] > 0.0, varied)
    np.testing.assert_array_equal(part["latency"] > 0.0, varied)
    assert ((part["friction"][varied] >= 0.2) & (part["friction"][varied] <= 2.0)).all()
    assert part["motor_strength"].shape == (4, 12)
    assert part["gait"].shape == (4, len(policy.gait_parameters))


def test_a_fall_leaves_the_rows_out_until_the_robot_has_settled(policy, monkeypatch):
    class Stumbling(BatchSimulation):
        def step(self, joint_targets):
            self.count = getattr(self, "count", 0) + 1
            state = super().step(joint_targets)
            if self.count == 5 + 3:  # the third recorded tick
                state.base_pos[1, 2] = 0.05
            return state

    monkeypatch.setattr(collect, "BatchSimulation", Stumbling)
    fresh = collect_part(small(), [policy], seed=3)["fresh"]
    expected = np.zeros((4, 12), dtype=bool)
    expected[:, 0] = True
    expected[1, 3:8] = True
    np.testing.assert_array_equal(fresh, expected)
    assert count_falls(fresh) == 1


def test_parts_resume_and_end_with_a_data_sheet(tmp_path):
    config = small(output=tmp_path / "data", parts=1, ticks=60)
    collect.main(config)
    first = (config.output / "part_0000.npz").read_bytes()
    collect.main(replace(config, parts=2))
    assert (config.output / "part_0000.npz").read_bytes() == first
    dataset = TrajectoryDataset.open(config.output)
    assert dataset.parts == 2 and len(dataset.load()["fresh"]) == 8
    sheet = json.loads((config.output / "data_sheet.json").read_text())
    assert sheet["trajectories"] == 8 and sheet["ticks"] == 8 * 60
    assert len(sheet["source"]["parts"]) == 2
    assert "| commanded base_height | m |" in (config.output / "data_sheet.md").read_text()
    with pytest.raises(ConfigurationError, match="push_speed"):
        collect.main(replace(config, push_speed=0.1))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigurationError, match="settle_ticks must be at least 1, got 0"):
        small(settle_ticks=0)


def test_gaits_are_drawn_from_the_ranges_asked_for(policy):
    config = small(robots=50, ticks=1, default_gait_share=0.0, gait=GaitRanges(base_height=(0.13, 0.15)))
    gait = collect_part(config, [policy], seed=3)["gait"]
    names = list(policy.gait_parameters)
    heights, frequencies = gait[:, names.index("base_height")], gait[:, names.index("step_frequency")]
    assert 0.13 <= heights.min() and heights.max() <= 0.15
    assert frequencies.max() - frequencies.min() > 1.0  # as in the demonstrator's card


def test_a_range_the_wrong_way_round_and_an_unknown_gait_are_refused(policy):
    with pytest.raises(ConfigurationError, match=r"gait.pitch must be a range LOW < HIGH \[rad\], got 0.1 0.0"):
        collect_part(small(gait=GaitRanges(pitch=(0.1, 0.0))), [policy], seed=3)
    with pytest.raises(ConfigurationError, match="switch_ticks must be a range"):
        small(switch_ticks=(5, 4))


def test_robots_change_from_policy_to_policy_after_the_given_time():
    policies = [lambda seen, gait, clock, value=value: np.full((len(seen), 12), value) for value in (1.0, 2.0)]
    alternating = AlternatingPolicy(policies, 40, (3, 5), np.random.default_rng(0))
    rows = []
    for _ in range(200):
        rows.append(alternating(np.zeros((40, 45)), None, None)[:, 0])
        alternating.step()
    walked = np.array(rows)
    for robot in walked.T:
        changes = np.flatnonzero(np.diff(robot)) + 1
        assert set(robot) == {1.0, 2.0} and set(np.diff(changes)) <= {3, 4, 5} and changes[0] <= 5
    alone = AlternatingPolicy(policies[:1], 40, (3, 5), np.random.default_rng(0))
    for _ in range(10):
        alone.step()
    assert not alone.which.any()


def test_of_several_policies_the_one_that_walks_is_recorded(policy):
    config = small(robots=3, ticks=40, switch_ticks=(5, 9))
    assert "policy" not in collect_part(config, [policy], seed=3)
    which = collect_part(config, [policy, policy], seed=3)["policy"]
    assert which.shape == (3, 40) and set(np.unique(which)) == {0.0, 1.0}
