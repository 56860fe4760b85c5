"""What a bag lacks, or holds of somebody else, is said; what makes no sense is left out and counted."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from bag_files import ARTEFACT, BEGIN, BagFile, Sent, changed, plan, state, time_of, walk
from diffusion_mpc_msgs import msg as messages
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from diffusion_mpc_ros.bags import decoding, manifest, timeline, topics
from diffusion_mpc_ros.bags.bag import load
from diffusion_mpc_ros.bags.manifest import Manifest, read_manifest
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.errors import BagError, MessageError, PlanError
from diffusion_mpc_ros.core.go2 import JOINT_NAMES

TICKS = range(10, 40)


def test_a_whole_bag_has_all_that_is_needed(tmp_path):
    bag = load(BagFile(tmp_path).write(walk(TICKS)))
    bag.require()
    assert bag.states["tick"].tolist() == list(TICKS) == bag.commands["tick"].tolist()
    assert bag.states["joint_pos"].shape == (30, 12) and bag.states["foot_contact"].dtype == bool
    assert bag.states["base_quat_wxyz"][0] == pytest.approx([np.cos(0.05), np.sin(0.05), 0.0, 0.0])
    assert bag.plans[0].artefact == ARTEFACT and bag.plans[0].plan.joint_targets.shape == (11, 12)
    stream = bag.stream(topics.ROBOT_STATE)
    # 30 messages 20 ms apart.
    assert stream.rate == pytest.approx(50.0) and stream.longest_gap == pytest.approx(0.02)


@pytest.mark.parametrize("topic", ["/robot_state", "/joint_command", "/plan", "/reward_weights"])
def test_each_topic_that_is_missing_is_named_with_its_type(tmp_path, topic):
    bag = load(BagFile(tmp_path).write([each for each in walk(TICKS) if each.topic != topic]))
    with pytest.raises(BagError) as refused:
        bag.require()
    assert f"no {topic} ({topics.TYPES[topic[1:]][0]})" in str(refused.value)


def test_a_foreign_bag_is_answered_with_what_it_holds(tmp_path):
    sent = [Sent("/joint_states", time_of(0), JointState(name=["hip_0", "hip_1"])), Sent("/go", time_of(1), Bool())]
    bag = load(BagFile(tmp_path, manifest=None).write(sent))
    with pytest.raises(BagError, match=r"no /robot_state.*joints \['hip_0', 'hip_1'\].*/go \(std_msgs/msg/Bool\)"):
        bag.require()


def test_a_known_topic_of_another_type_is_refused_by_name(tmp_path):
    sent = [replace(each, message=Bool()) if each.topic == "/plan" else each for each in walk(TICKS)]
    bag = load(BagFile(tmp_path).write(sent))
    assert bag.streams["/plan"].rejected == len(bag.streams["/plan"].log_times)
    with pytest.raises(BagError, match="its type is std_msgs/msg/Bool, expected is diffusion_mpc_msgs/msg/Plan"):
        bag.require()


@pytest.mark.parametrize(
    ("topic", "field", "value", "reason"),
    [
        ("/robot_state", "base_height", float("nan"), "base_height nan is not within"),
        ("/robot_state", "joint_pos", np.full(12, np.inf), "joint_pos .* is not within"),
        ("/robot_state", "tick", 2**40, "tick 1099511627776 is not within"),
        ("/joint_command", "joint_pos", np.full(12, np.nan), "joint_pos .* is not within"),
    ],
)
def test_messages_that_make_no_sense_are_left_out_and_counted(tmp_path, topic, field, value, reason):
    sent = changed(walk(TICKS), topic, 20, lambda message: setattr(message, field, value))
    bag = load(BagFile(tmp_path).write(sent))
    columns = bag.states if topic == "/robot_state" else bag.commands
    assert columns["tick"].tolist() == [tick for tick in TICKS if tick != 20]
    stream = bag.streams[topic]
    assert stream.rejected == 1
    with pytest.raises(MessageError, match=reason):
        raise MessageError(stream.reason)


def test_an_orientation_that_is_none_is_refused():
    message = state(5)
    message.orientation.w = message.orientation.x = 0.0
    with pytest.raises(MessageError, match="no unit quaternion"):
        decoding.robot_state_row(message)


def test_a_definition_of_another_version_says_which_field_it_lacks():
    class OldPlan:
        start_tick, horizon, replan_margin, joint_targets, reward = 3, 11, 3, [0.0] * 132, 0.0

    with pytest.raises(PlanError, match=r"lacks a field: .*'fact_names'"):
        decoding.recorded_plan(OldPlan())
    # The feed-forward has come later.
    full = SimpleNamespace(**{name: getattr(plan(3), name) for name in plan(3).get_fields_and_field_types()})
    full.joint_vel = np.full(11 * 12, 2.0)
    assert decoding.recorded_plan(full).plan.joint_vel.shape == (11, 12)
    del full.joint_vel, full.joint_torque
    assert decoding.recorded_plan(full).plan.feed_forward == (None, None)
    with pytest.raises(MessageError, match=r"lacks a field: .*'tick'"):
        decoding.joint_command_row(object())


def test_of_several_robots_one_is_named(tmp_path):
    sent = walk(TICKS)
    both = [replace(each, topic=f"{name}{each.topic}") for each in sent for name in ("/alpha", "/beta")]
    path = BagFile(tmp_path, manifest=None).write(both)
    with pytest.raises(BagError, match=r"several robots.*\['/alpha', '/beta'\]"):
        load(path)
    assert len(load(path, "beta").states["tick"]) == len(TICKS)
    with pytest.raises(BagError, match=r"no robot in the namespace /gamma; there is \['/alpha', '/beta'\]"):
        load(path, "gamma")
    path = BagFile(tmp_path, Manifest(BEGIN, "/alpha")).write(both)
    assert load(path).namespace == "/alpha"


def test_a_manifest_comes_back_and_one_of_another_robot_is_refused(tmp_path):
    written = Manifest(BEGIN).with_node("planner", {"artefact": "go2", "steps": 10}).with_artefact(ARTEFACT)
    assert read_manifest(json.loads(json.dumps(written.to_json()))) == written
    assert written.artefacts == (ARTEFACT,)
    other = replace(written, joint_names=tuple(f"left_{name}" for name in JOINT_NAMES))
    bag = load(BagFile(tmp_path, other).write(walk(TICKS)))
    with pytest.raises(BagError, match="it is of another robot: its joints are"):
        bag.require()


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"schema": 2}, "schema 2, this version reads 1"),
        ({"robot": {"joints": [], "control_dt": 0.02}}, "another robot"),
        ({"robot": {"joints": list(JOINT_NAMES), "control_dt": 0.01}}, "control tick is 0.01 s"),
        ({"nodes": []}, "not readable"),
        ({"software": None}, "not readable"),
    ],
)
def test_a_manifest_that_does_not_fit_says_why(change, answer):
    with pytest.raises(BagError, match=answer):
        read_manifest({**Manifest(BEGIN).to_json(), **change})


def test_numbers_of_modes_are_those_of_the_message():
    assert timeline.MODES == tuple(sorted(Mode, key=lambda mode: getattr(messages.JointCommand, mode.name)))
    assert timeline.WALKING == messages.JointCommand.WALKING
    assert manifest.SCHEMA == 1
