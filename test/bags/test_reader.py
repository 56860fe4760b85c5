"""Bags are read as far as they can be, whatever has become of them, and what is no bag is named."""

from __future__ import annotations

import pytest
from bag_files import BagFile, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.bags import writer
from diffusion_mpc_ros.bags.bag import load
from diffusion_mpc_ros.bags.episodes import read_episodes
from diffusion_mpc_ros.bags.manifest import MANIFEST
from diffusion_mpc_ros.bags.reader import BagReader
from diffusion_mpc_ros.bags.writer import BagWriter
from diffusion_mpc_ros.core.errors import BagError, ConfigurationError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A bag of 60 ticks in 5 chunks or so."""
    return BagFile(tmp_path_factory.mktemp("bags")).write(walk(range(10, 70)))


def test_messages_come_back_in_their_order_with_type_and_time(whole):
    reader = BagReader(whole)
    records = list(reader)
    sent = walk(range(10, 70))
    assert [(each.source.topic, each.source.type_name, each.log_time) for each in records] == [
        (each.topic, each.type_name, each.time) for each in sent
    ]
    decoded = records[-1].source.decode(records[-1].data)
    assert decoded.tick == sent[-1].message.tick and list(decoded.joint_pos) == list(sent[-1].message.joint_pos)
    assert reader.damage == [] and [name for name, _ in reader.metadata] == [MANIFEST]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_a_bag_that_is_cut_off_is_read_up_to_its_last_whole_chunk(whole, tmp_path, share):
    content = whole.read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(content[: int(len(content) * share)])
    complete, reader = list(BagReader(whole)), BagReader(cut)
    read = list(reader)
    assert read == [] or [(r.log_time, r.data) for r in read] == [(r.log_time, r.data) for r in complete[: len(read)]]
    assert len(read) >= 40 * int(share * 4 - 1)
    assert len(reader.damage) == 1 and "cut.mcap: " in reader.damage[0]


def test_a_corrupt_chunk_is_left_out_and_the_rest_read(whole, tmp_path):
    content = bytearray(whole.read_bytes())
    # Somewhere in the compressed data of a chunk in the middle.
    content[content.index(b"zstd", len(content) // 3) + 200] ^= 0xFF
    broken = tmp_path / "broken.mcap"
    broken.write_bytes(content)
    reader = BagReader(broken)
    assert len(list(reader)) == len(list(BagReader(whole))) - 40
    assert reader.damage == ["broken.mcap: 1 chunks are corrupt and left out"]


def test_a_definition_that_is_damaged_is_told_with_its_messages_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(writer, "full_definition", lambda _: "float64[12q joint_pos\n")
    bag = load(BagFile(tmp_path).write(walk(range(10, 20))))
    stream = bag.streams["/robot_state"]
    assert stream.rejected == 10 and "its definition is not readable" in stream.reason
    assert capsys.readouterr() == ("", "")


@settings(max_examples=60)
@given(data=st.data())
def test_no_damage_makes_the_reader_fail_or_invent_a_message(whole, tmp_path_factory, data):
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.mcap"
    path.write_bytes(content[: data.draw(st.integers(9, len(content)))])
    known = {(each.source.topic, each.log_time, each.data) for each in BagReader(whole)}
    try:
        episodes = read_episodes(load(path))
    except BagError:
        return
    # A topic's name lies in a chunk as well, which has a checksum.
    assert {(each.source.topic, each.log_time, each.data) for each in BagReader(path)} <= known
    assert all(len(episode) >= 12 for episode in episodes)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"", "is empty"),
        (b"SQLite format 3\0and so on", "ros2 bag convert"),
        (b"#ROSBAG V2.0\nand so on", "a bag of ROS 1"),
        (b"\x7fELF and so on", "no MCAP file"),
    ],
)
def test_what_is_no_bag_is_named(tmp_path, content, answer):
    path = tmp_path / "other.mcap"
    path.write_bytes(content)
    with pytest.raises(BagError, match=answer):
        load(path)


def test_a_missing_bag_and_a_folder_without_one_are_named(tmp_path):
    with pytest.raises(BagError, match="there is no"):
        load(tmp_path / "nothing.mcap")
    (tmp_path / "metadata.yaml").touch()
    with pytest.raises(BagError, match=r"no MCAP file.*metadata.yaml"):
        load(tmp_path)


def test_a_folder_of_ros2_bag_is_read_file_by_file(tmp_path):
    sent = walk(range(10, 70))
    writer = BagFile(tmp_path, manifest=None)
    for index in range(11):
        writer.write(sent[index * 15 : (index + 1) * 15], f"bag_{index}.mcap")
    assert [each.log_time for each in BagReader(tmp_path)] == [each.time for each in sent[: 11 * 15]]


def test_a_file_is_never_overwritten(whole):
    with pytest.raises(ConfigurationError, match="exists"):
        BagWriter(whole)
