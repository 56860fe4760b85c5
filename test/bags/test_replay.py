"""Plans of a bag are made again bit for bit where planner and settings are the same, and otherwise how far they are."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
from bag_files import BEGIN, BagFile, Sent, command, rewards, state, time_of
from diffusion_mpc_msgs.msg import Plan as PlanMessage

from diffusion_mpc_ros.bags import decoding
from diffusion_mpc_ros.bags.bag import load
from diffusion_mpc_ros.bags.episodes import STATE_COLUMNS
from diffusion_mpc_ros.bags.manifest import Manifest
from diffusion_mpc_ros.bags.replay import replay
from diffusion_mpc_ros.commands.bag import replay as command_replay
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.message_fields import read_reward_settings
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.anytime import LevelController
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner, Ladder
from diffusion_mpc_ros.planners.diffusion_mpc.ladder import make_ladder
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig
from diffusion_mpc_ros.realtime.session import PlanSession

TICKS = range(20, 60)
# Within this walk the weights change from tick to tick.
RAMP = range(40, 46)


def make_planner(folder, seed=0) -> AnytimePlanner:
    config = DiffusionMpcConfig(sampling=SamplingOptions(candidates=2, seed=seed))
    levels = make_ladder(prior.load(folder), config)
    return AnytimePlanner(Ladder(levels), [0.03] * len(levels))


def message_of(plan, identity: str) -> PlanMessage:
    message = PlanMessage(start_tick=plan.start_tick, horizon=plan.horizon, planner=plan.planner, artefact=identity)
    message.joint_targets, message.velocity = plan.joint_targets.ravel(), plan.command
    message.replan_margin, message.reward_revision = plan.replan_margin, plan.reward_revision
    message.fact_names, message.fact_values = list(plan.facts), [float(value) for value in plan.facts.values()]
    return message


@pytest.fixture(scope="module")
def sent(random_artefact) -> list[Sent]:
    """What is on the topics while a planner plans for a robot that follows it from tick 30 on, its load changing."""
    planner, settings = make_planner(random_artefact), {}
    session = PlanSession(planner.timing, velocity_feedback=0.4)
    messages = [Sent("/reward_weights", time_of(19), rewards())]
    for tick in TICKS:
        if tick in RAMP:
            messages.append(Sent("/reward_weights", time_of(tick, -0.001), rewards(1, 0.01 * (tick - RAMP[0]))))
        settings = read_reward_settings([each.message for each in messages if each.topic == "/reward_weights"][-1])
        planner.controller = LevelController([1.0] * len(planner.levels), 1.0, level=1 if tick in range(50, 54) else 0)
        row = decoding.robot_state_row(state(tick))
        messages.append(Sent("/robot_state", time_of(tick), state(tick)))
        robot = RobotState(tick, **{name: row[name] for name in STATE_COLUMNS}).batched()
        request = session.due(robot, np.array([[0.5, 0.0, 0.01 * tick]]), settings, followed=tick >= 30)
        if request is not None:
            plan = planner.plan(session.complete(request))
            session.add(plan)
            messages.append(Sent("/plan", time_of(tick, 0.01), message_of(plan.of(0), planner.identity)))
        messages.append(Sent("/joint_command", time_of(tick, 0.002), command(tick)))
    return sorted(messages, key=lambda each: each.time)


def test_every_plan_is_made_again_bit_for_bit(sent, tmp_path, random_artefact):
    bag = load(BagFile(tmp_path).write(sent))
    assert {recorded.plan.facts["committed"] for recorded in bag.plans} == {0.0, 3.0}
    assert len({recorded.plan.facts["added_yaw_rate"] for recorded in bag.plans}) > 10
    assert {recorded.plan.facts["level"] for recorded in bag.plans} == {0.0, 1.0}
    replayed = list(replay(bag, make_planner(random_artefact)))
    assert len(replayed) == 20 and [each.obstacle for each in replayed] == [""] * 20
    assert [each.start_tick for each in replayed if not each.equal] == []
    assert any(each.ramp for each in replayed)


def test_a_feed_forward_that_differs_is_a_difference(sent, tmp_path, random_artefact):
    sent = copy.deepcopy(sent)
    last = [each for each in sent if each.topic == "/plan"][-1]
    last.message.joint_torque = np.full(132, 2.5)
    *before, other = replay(load(BagFile(tmp_path).write(sent)), make_planner(random_artefact))
    assert all(each.equal for each in before) and other.difference == 2.5


def test_a_part_of_a_bag_is_enough(sent, tmp_path, random_artefact):
    # What was committed to at tick 40 lies in the plan before.
    later = [each for each in sent if each.topic == "/reward_weights" or each.time >= time_of(38)]
    replayed = list(replay(load(BagFile(tmp_path).write(later)), make_planner(random_artefact)))
    lost = [each for each in replayed if each.obstacle]
    assert all("committed" in each.obstacle for each in lost) and len(lost) <= 2
    assert all(each.equal for each in replayed if not each.obstacle)


def test_other_random_numbers_say_how_far(sent, tmp_path, random_artefact):
    replayed = list(replay(load(BagFile(tmp_path).write(sent)), make_planner(random_artefact, seed=1)))
    assert not any(each.equal for each in replayed) and all(0.0 < each.difference < math.inf for each in replayed)
    lines = list(command_replay.report(replayed))
    assert lines[0] == "made again: 20 of 20 plans; bit-equal: 0; different: 20"
    assert "largest difference of a joint target median" in lines[1]


def test_what_is_not_in_the_bag_is_named(sent, tmp_path, random_artefact):
    without = [each for each in sent if not (each.topic == "/robot_state" and each.message.tick == 24)]
    revisions = [each for each in without if each.topic != "/reward_weights" or each.message.revision == 0]
    replayed = list(replay(load(BagFile(tmp_path).write(revisions)), make_planner(random_artefact)))
    obstacles = {each.start_tick: each.obstacle for each in replayed if each.obstacle}
    assert obstacles.pop(24) == "the state that it was made from is not in the bag"
    assert set(obstacles) == set(range(40, 60, 2))
    assert set(obstacles.values()) == {"the reward weights that it followed are not in the bag"}


def test_the_command_plans_with_what_the_bag_says(sent, tmp_path, random_artefact, capsys):
    values = {
        "artefact": str(random_artefact), "candidates": 2, "replan_margin": 3, "backend": "onnxruntime", "threads": 1,
        "time_budget_ms": 30.0,
    }  # fmt: skip
    path = BagFile(tmp_path, Manifest(BEGIN).with_node("planner", values)).write(sent)
    assert command_replay.main(command_replay.Config(path)) == 0
    assert "made again: 20 of 20 plans; bit-equal: 20; different: 0" in capsys.readouterr().out
    other = command_replay.Config(path, plans=5, parameters=("planner.seed=1",))
    assert command_replay.main(other) == 1
    assert "made again: 5 of 5 plans; bit-equal: 0; different: 5" in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match="not of go2_simulator"):
        command_replay.main(replace(other, parameters=("go2_simulator.payload=1.0",)))


def test_plans_of_another_horizon_are_told_apart(sent, tmp_path, random_artefact):
    sent = copy.deepcopy(sent)
    for each in sent[-8:]:
        if each.topic == "/plan":
            each.message.horizon, each.message.joint_targets = 10, each.message.joint_targets[:120]
    *_, last = replay(load(BagFile(tmp_path).write(sent)), make_planner(random_artefact))
    assert last.obstacle == "it has 10 rows, this planner's have 11"


def test_what_makes_plans_differ_is_told_before(sent, tmp_path, random_artefact):
    planner = make_planner(random_artefact)
    bag = load(BagFile(tmp_path, manifest=None).write(sent))
    *_, remarks = command_replay.planner_settings(bag)
    assert "does not say how its planner was set" in remarks[0] and "backend" in remarks[1]
    assert list(command_replay.differences(bag, planner)) == []
    planner.identity, planner.name = "cd" * 32, "another"
    artefacts, names = command_replay.differences(bag, planner)
    assert f"of {bag.plans[0].artefact[:12]}, this planner's is cdcdcdcdcdcd" in artefacts
    assert "'diffusion_mpc'" in names
