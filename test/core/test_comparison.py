"""What differs between two configurations is named, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core.comparison import differences

VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.lists(st.integers()),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
CONFIGURATIONS = st.dictionaries(st.text(max_size=3), VALUES, max_size=4)


def test_every_difference_is_named_with_both_values():
    known = {"seed": 1, "network": {"width": 64, "blocks": 2}, "old": None}
    asked = {"seed": 1, "network": {"width": 32, "blocks": 2}, "new": [3]}
    assert list(differences(known, asked)) == [
        "network.width 64 there, 32 now", "old None there, nothing now", "new nothing there, [3] now"
    ]  # fmt: skip


def test_a_mapping_in_the_place_of_a_value():
    assert list(differences({"gait": None}, {"gait": {"pitch": 0}})) == ["gait None there, {'pitch': 0} now"]


@given(CONFIGURATIONS, CONFIGURATIONS)
def test_equal_ones_and_only_they_do_not_differ(known, asked):
    assert not list(differences(known, known))
    assert bool(list(differences(known, asked))) == (known != asked)
