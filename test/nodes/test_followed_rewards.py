"""Rewards and artefacts that change at the same time: plans are made with what the planner follows, at any time."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from diffusion_mpc_msgs.srv import DeclareModel, LoadArtefact

from diffusion_mpc_ros.core.declared_model import NOMINAL
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, Timing
from diffusion_mpc_ros.nodes.artefact_loading import ArtefactLoading
from diffusion_mpc_ros.nodes.followed_rewards import FollowedRewards
from diffusion_mpc_ros.nodes.model_declaration import ModelDeclaration
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner, Ladder
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.latency import standing_request

TIMING = Timing(11, 3, 2)


class Standing(Planner):
    """Stands, and follows some terms."""

    name = "standing"

    def __init__(self, identity: str, *terms: str) -> None:
        self.identity, self.reward_terms, self.timing = identity, terms, TIMING
        self.checked = lambda: None  # called when it has checked

    def plan(self, request: PlanRequest) -> Plan:
        targets = np.tile(DEFAULT_JOINT_POS, (TIMING.horizon, request.robots, 1))
        return Plan(request.tick, targets, reward_revision=request.rewards.revision)

    def check(self, rewards: RewardSettings) -> None:
        for name, weight in rewards.weights.items():
            if weight and name not in self.reward_terms:
                raise RewardError(f"{self.identity} does not follow {name!r}")
        self.checked()


def of(level: Planner) -> AnytimePlanner:
    return AnytimePlanner(Ladder([level]))


@pytest.fixture
def planner():
    return of(Standing("old", "energy", "smooth"))


@pytest.fixture
def successor():
    return of(Standing("new", "energy"))


def settings(revision: int, **weights: float) -> RewardSettings:
    return RewardSettings(revision, weights)


def plan(planner: AnytimePlanner, rewards: FollowedRewards, tick: int) -> Plan:
    return planner.plan(standing_request(TIMING, rewards.settings, tick))


def test_a_successor_that_cannot_follow_what_has_come_meanwhile_does_not_take_over(planner, successor):
    rewards = FollowedRewards(planner)
    rewards.take(settings(1, smooth=1.0))
    with pytest.raises(RewardError, match="new does not follow 'smooth'"):
        rewards.hand_over(successor)
    assert plan(planner, rewards, 0).reward_revision == 1 and planner.identity == "old"


def test_what_a_successor_cannot_follow_is_refused_from_then_on(planner, successor):
    rewards = FollowedRewards(planner)
    rewards.take(settings(1, energy=1.0))
    rewards.hand_over(successor)
    for takes_over in (False, True):
        with pytest.raises(RewardError, match="revision 2 is not followed, 1 stays: new does not follow 'smooth'"):
            rewards.take(settings(2, smooth=1.0))
        assert successor.in_use.is_set() == takes_over
        assert plan(planner, rewards, 2).reward_revision == 1 and planner.identity == "new"


def test_both_at_once_are_decided_one_after_the_other(planner, successor):
    """The settings come just when the successor has been checked, and is not yet the next one."""
    rewards, refused = FollowedRewards(planner), []

    def take() -> None:
        try:
            rewards.take(settings(1, smooth=1.0))
        except RewardError as error:
            refused.append(error)

    thread = threading.Thread(target=take)

    def checked() -> None:
        if not thread.ident:
            thread.start()
            thread.join(0.2)

    successor.levels[0].checked = checked
    rewards.hand_over(successor)
    thread.join()
    assert len(refused) == 1 and rewards.settings.revision == 0


@pytest.fixture
def scheduled(monkeypatch):
    """The threads that were given a real-time priority; the system is not asked."""
    numbers = set()
    monkeypatch.setattr(os, "sched_setscheduler", lambda number, policy, _: policy and numbers.add(number))
    return numbers


@pytest.fixture
def begin_thread():
    """A function that begins a thread, as a backend does; all end with the test."""
    ended, threads = threading.Event(), []

    def begin() -> None:
        threads.append(threading.Thread(target=ended.wait))
        threads[-1].start()

    yield begin, threads
    ended.set()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("meanwhile", [{"energy": 1.0}, {"smooth": 1.0}])
def test_while_an_artefact_is_loaded_rewards_may_change(
    managed_node, random_artefact, planner, scheduled, begin_thread, meanwhile
):
    """command_publisher takes its time; the backend's threads alone are planned with."""
    begin, threads = begin_thread
    rewards, made = FollowedRewards(planner), []

    def on(artefact: str) -> Ladder:
        begin()
        made.append(Standing("new", "energy"))
        return Ladder(made)

    planner.ladder = Ladder(planner.levels, on=on)
    loading = ArtefactLoading(managed_node, planner, rewards, priority=10)
    loading._ask_command_publisher = lambda folder, successor: rewards.take(settings(1, **meanwhile))
    request, response = LoadArtefact.Request(artefact=str(random_artefact)), LoadArtefact.Response()
    try:
        if "smooth" in meanwhile:
            with pytest.raises(RewardError, match="new does not follow 'smooth'"):
                loading._load(request, response)
        else:
            assert "the next plan will be made with" in loading._load(request, response)
        assert scheduled == {threads[0].native_id}
        plan(planner, rewards, 0)
        assert response.identity == planner.identity == ("old" if "smooth" in meanwhile else "new")
    finally:
        loading.close()


def test_of_a_declared_world_the_new_threads_alone_are_planned_with(managed_node, planner, scheduled, begin_thread):
    begin, threads = begin_thread
    physics = SimpleNamespace(declared=NOMINAL)

    def declare(declared) -> None:
        physics.declared = declared
        begin()

    physics.declare = declare
    planner.ladder = Ladder(planner.levels, physics=physics)
    declaration = ModelDeclaration(managed_node, planner, priority=10)
    try:
        response = DeclareModel.Response()
        request = DeclareModel.Request(names=["payload_mass"], values=[6.0])
        assert "payload 6 kg" in declaration._declare(request, response)
        assert scheduled == {threads[0].native_id}
        assert dict(zip(response.names, response.values))["payload_mass"] == 6.0
    finally:
        declaration.close()
