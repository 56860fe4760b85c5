"""Answers that the view asks for: what makes no sense of them, or of a call that fails, ends nothing."""

from __future__ import annotations

import math

import pytest
from diffusion_mpc_msgs.srv import GetRewardWeights, SetRewardWeights
from rclpy.task import Future

from diffusion_mpc_ros.nodes.view_desk import ViewDesk
from diffusion_mpc_ros.view.seen import Seen

GOOD = {"terms": ["energy"], "units": ["1/(J)"], "minimums": [0.0], "maximums": [3.0], "presets": ["none"]}


def answered(answer: object) -> Future:
    future = Future()
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
    return future


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
def told():
    return []


@pytest.fixture
def desk(managed_node, seen, told):
    return ViewDesk(managed_node, seen, lambda text, good: told.append((text, good)))


@pytest.mark.parametrize(
    "answer",
    [
        GetRewardWeights.Response(**{**GOOD, "maximums": []}),
        GetRewardWeights.Response(**{**GOOD, "maximums": [math.nan]}),
        RuntimeError("the client was destroyed"),
    ],
    ids=["lists that do not fit", "no bounds", "a call that fails"],
)
def test_choices_that_make_no_sense_are_told_of_and_asked_for_again(managed_node, desk, seen, answer):
    desk._take_choices(answered(answer))
    assert seen.choices is None
    assert sum(managed_node.intake.rejected.values()) == 1
    desk._take_choices(answered(GetRewardWeights.Response(**GOOD)))
    assert seen.choices.terms == {"energy": ("1/(J)", 0.0, 3.0)}


def test_a_change_whose_call_fails_is_told_and_the_sliders_go_back(managed_node, desk, told):
    class Client:
        srv_name = "/set_reward_weights"

        def service_is_ready(self) -> bool:
            return True

        def call_async(self, request: SetRewardWeights.Request) -> Future:
            return answered(RuntimeError("the client was destroyed"))

    accepted = []
    assert desk._call(Client(), SetRewardWeights.Request(), accepted.append)
    assert accepted == [False] and told == [("set_reward_weights: no answer", False)]
    assert "the client was destroyed" in managed_node.intake.lines[-1]
