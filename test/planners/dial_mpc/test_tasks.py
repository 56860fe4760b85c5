"""Jumping and climbing: control ranges, contact rewards and success worked out by hand; one short closed loop."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.go2 import FOOT_RADIUS
from diffusion_mpc_ros.planners.dial_mpc.climbing import LASTS_TICKS, Climbing
from diffusion_mpc_ros.planners.dial_mpc.jumping import (
    FEET_B,
    STAGE_TICKS,
    Jumping,
    Stages,
    contact_reward,
    stage_scores,
)
from diffusion_mpc_ros.planners.dial_mpc.methods import Budget, make_search
from diffusion_mpc_ros.planners.dial_mpc.receding_horizon import RecedingHorizon
from diffusion_mpc_ros.planners.dial_mpc.task import TORQUES, heading_error
from diffusion_mpc_ros.planners.sampling.knots import Knots
from diffusion_mpc_ros.simulation import motors
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.batch_state import BatchState
from diffusion_mpc_ros.simulation.ground.ground import Ground
from diffusion_mpc_ros.simulation.planner_models import PlannerModel, build_planner_model
from diffusion_mpc_ros.simulation.rollout import Rollouts

STAGES = Stages(np.array([[0.0, 0.0], [0.5, 0.0]]), np.zeros(2))
PLATES = STAGES.plates()


def standing(
    shape: tuple[int, ...], feet: np.ndarray, base: tuple[float, float, float], yaw: float = 0.0
) -> BatchState:
    """Robots ``shape`` that stand level at ``base`` [m], soles at 0 at ``feet (4, 2)`` or ``(4, 3)``, all loaded."""
    feet = np.column_stack([feet, np.full(4, FOOT_RADIUS)]) if feet.shape[-1] == 2 else feet
    return BatchState(
        base_pos=np.broadcast_to(base, (*shape, 3)).copy(),
        base_quat_wxyz=np.broadcast_to([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)], (*shape, 4)).copy(),
        base_lin_vel_b=np.zeros((*shape, 3)),
        base_ang_vel_b=np.zeros((*shape, 3)),
        projected_gravity_b=np.broadcast_to([0.0, 0.0, -1.0], (*shape, 3)).copy(),
        joint_pos=np.zeros((*shape, 12)),
        joint_vel=np.zeros((*shape, 12)),
        joint_torque=np.zeros((*shape, 12)),
        mechanical_power=np.zeros(shape),
        foot_force=np.full((*shape, 4), 40.0),
        foot_pos=np.broadcast_to(feet, (*shape, 4, 3)).copy(),
        foot_vel=np.zeros((*shape, 4, 3)),
        foot_ground=np.zeros((*shape, 4)),
        hip_ground=np.zeros(shape),
    )


@pytest.mark.parametrize("task", [Jumping(STAGES), Climbing(0.25)])
def test_controls_span_the_range_of_the_task_within_the_joints_limits(task):
    reach = task.control_range
    assert (reach.low >= go2.JOINT_POS_MIN).all() and (reach.high <= go2.JOINT_POS_MAX).all()
    assert reach.targets(np.ones(12)) == pytest.approx(reach.high)
    assert reach.targets(-np.ones(12)) == pytest.approx(reach.low)
    controls = np.linspace(-1.0, 1.0, 12)
    assert reach.controls(reach.targets(controls)) == pytest.approx(controls)
    assert reach.controls(reach.high + 1.0) == pytest.approx(np.ones(12))


def test_plates_are_where_the_feet_stand_turned_with_the_stage():
    assert PLATES[0] == pytest.approx(FEET_B)
    turned = Stages(np.array([[1.0, 2.0]]), np.array([np.pi / 2])).plates()[0]
    # A quarter turn to the left: forward becomes left.
    assert turned[0] == pytest.approx([1.0 + 0.135, 2.0 + 0.2])


def test_stages_are_drawn_within_reach_of_the_last_one():
    stages = Stages.drawn(200, np.random.default_rng(0))
    steps = np.diff(stages.positions, axis=0)
    assert stages.positions[0].tolist() == [0.0, 0.0] and stages.headings[0] == 0.0
    assert 0.6 < np.abs(steps).max() <= 0.65 and 0.45 < np.abs(np.diff(stages.headings)).max() <= 0.5
    assert stages.at(np.array([0, STAGE_TICKS - 1, STAGE_TICKS, 10**6])).tolist() == [0, 0, 1, 200]


def test_the_contact_reward_of_equation_9_by_hand():
    plates, before = PLATES[1], PLATES[0]
    assert contact_reward(standing((), PLATES[1], (0.5, 0.0, 0.27)), plates, before) == pytest.approx(0.4)
    # Still on the plates of the stage before: neither right nor wrong.
    assert contact_reward(standing((), PLATES[0], (0.0, 0.0, 0.27)), plates, before) == 0.0
    # Two on the new plates, one 11 cm beside its own, one in the air.
    feet = PLATES[1] + np.array([[0, 0], [0.09, 0], [0, 0.11], [0, 0]])
    one_up = standing((), feet, (0.5, 0.0, 0.27))
    one_up.foot_force[3] = 0.0
    assert contact_reward(one_up, plates, before) == pytest.approx(0.1 + 0.1 - 0.1)


def test_a_stage_counts_by_its_worst_moment_at_its_end():
    ticks = standing((2 * STAGE_TICKS,), PLATES[1], (0.5, 0.0, 0.27))
    assert stage_scores(ticks, STAGES) == pytest.approx([1.0])
    ticks.foot_force[STAGE_TICKS : 2 * STAGE_TICKS - 10] = 0.0  # in the air until 0.2 s before the end
    assert stage_scores(ticks, STAGES) == pytest.approx([1.0])
    ticks.foot_force[2 * STAGE_TICKS - 5, 0] = 0.0
    assert stage_scores(ticks, STAGES) == pytest.approx([0.75])
    # Fallen before the end: nothing.
    assert stage_scores(standing((2 * STAGE_TICKS - 1,), PLATES[1], (0.5, 0.0, 0.27)), STAGES) == pytest.approx([0.0])


def test_what_a_jump_is_worth_by_hand():
    there = standing((1, 1, 2), PLATES[1], (0.5, 0.0, 0.27))
    assert Jumping(STAGES).score(there, STAGE_TICKS).item() == pytest.approx(0.4)
    # Half a metre short, on the old plates: their code punishes what equation 9 excuses.
    short = standing((1, 1, 2), PLATES[0], (0.0, 0.0, 0.27))
    assert Jumping(STAGES).score(short, STAGE_TICKS).item() == pytest.approx(-0.25)
    assert Jumping(STAGES, as_published=True).score(short, STAGE_TICKS).item() == pytest.approx(-0.25 - 0.4)
    # The first of two ticks is still of the stage before.
    assert Jumping(STAGES).score(short, STAGE_TICKS - 1).item() == pytest.approx((0.4 - 0.25) / 2)


def test_a_heading_is_compared_the_shorter_way_round():
    turned = standing((1,), PLATES[0], (0.0, 0.0, 0.27), yaw=3.0)
    assert heading_error(turned, -3.0) == pytest.approx([(2 * np.pi - 6.0) ** 2])


def on_crate(height: float, sole: float = 0.0) -> np.ndarray:
    """Feet ``(4, 3)`` [m] on a crate, their soles ``sole`` [m] above its top."""
    return np.column_stack([FEET_B + [1.3, 0.0], np.full(4, height + FOOT_RADIUS + sole)])


def test_who_stands_on_the_crate_by_feet_and_base():
    task, done = Climbing(0.4), (LASTS_TICKS,)
    assert task.stood([standing(done, on_crate(0.4), (1.3, 0.0, 0.7))])
    assert not task.stood([standing((LASTS_TICKS - 1,), on_crate(0.4), (1.3, 0.0, 0.7))])
    assert not task.stood([standing(done, on_crate(0.4, 0.03), (1.3, 0.0, 0.7))])  # in the air
    assert not task.stood([standing(done, on_crate(0.4), (1.3, 0.0, 0.5))])  # on its belly
    before_it = standing(done, PLATES[0], (0.0, 0.0, 0.7))  # the base alone is high enough
    assert not task.stood([before_it])


def test_who_climbs_may_stand_steep_but_not_lie_on_its_back():
    steep = standing((1,), on_crate(0.4), (0.9, 0.0, 0.4))
    steep.projected_gravity_b[:] = [-np.sin(1.2), 0.0, -np.cos(1.2)]  # nose up by 69 degrees
    assert Jumping(STAGES).fallen(steep).all() and not Climbing(0.4).fallen(steep).any()
    steep.projected_gravity_b[:] = [0.0, 0.0, 1.0]
    assert Climbing(0.4).fallen(steep).all()


def test_what_a_climb_is_worth_by_hand():
    # The head, 0.285 m ahead, is 0.15 m beyond the crate's middle and 0.27 m above its top: no error.
    there = standing((1, 1, 1), on_crate(0.25), (1.45 - 0.285, 0.0, 0.52))
    assert Climbing(0.25).score(there, 0).item() == pytest.approx(4 * 0.02)
    # Our foot's centre is 22 mm above the crate, which their 10 mm miss.
    assert Climbing(0.25, as_published=True).score(there, 0).item() == pytest.approx(0.0)
    away = standing((1, 1, 1), on_crate(0.25), (0.165, 0.0, 0.52))
    assert Climbing(0.25).score(away, 0).item() == pytest.approx(0.08 - 1.0)


@pytest.mark.parametrize("method", ["dial_mpc", "mppi_explore"])
def test_a_plan_is_the_same_again_and_its_first_row_is_executed(method):
    ground = Ground.parse("crate:0.25")
    model = build_planner_model(PlannerModel(0.020, impratio=1.0, iterations=4, friction_loss=False), ground)
    search = make_search(method, Knots(11, 4), Budget(4, 2))
    simulation = BatchSimulation(1, seed=0, threads=1, ground=ground, model=model)
    targets = [[RecedingHorizon(Climbing(0.25), Rollouts(model, threads=1), search, 2, seed)] for seed in (0, 0, 1)]
    for made in targets:
        planner = made.pop()
        state = simulation.full_state
        for tick in range(2):
            made.append(planner.joint_targets(state, tick))
    assert np.array_equal(targets[0], targets[1]) and not np.array_equal(targets[0], targets[2])
    reach = Climbing(0.25).control_range
    assert all((reach.low <= row).all() and (row <= reach.high).all() for made in targets for row in made)


def test_gains_are_those_of_the_model():
    model = build_planner_model(dataclasses.replace(PlannerModel(), feet_only=True), gains=(30.0, 0.65))
    softer = Rollouts(model, threads=1)
    kp, kd = motors.gains(model, softer.indices.actuators)
    assert kp == pytest.approx(np.full(12, 30.0)) and kd == pytest.approx(np.full(12, 0.65))


def test_torques_under_damping_alone_are_what_moves_the_joints():
    """As in the paper's equation 8: the torque that is told, less 0.65 N m s/rad of the joint's speed."""
    model = build_planner_model(PlannerModel(), gains=(0.0, 0.65))
    simulation = BatchSimulation(1, seed=0, threads=1, model=model, torques=True)
    told = TORQUES.targets(np.full((1, 12), 0.1))
    assert told[0, :3] == pytest.approx([2.37, 2.37, 4.543])
    done = simulation.step(told)
    # Torques are means over the tick, speeds are those of its end, which grew from zero.
    damped = told - done.joint_torque
    assert (np.sign(damped) == np.sign(done.joint_vel)).all()
    assert 0.2 < np.abs(damped).sum() / (0.65 * np.abs(done.joint_vel).sum()) < 1.0
    limp = BatchSimulation(1, seed=0, threads=1, model=model, torques=True).step(np.zeros((1, 12)))
    assert np.abs(limp.joint_torque).max() < 1.0
    beyond = Rollouts(model, threads=1, torques=True).run(simulation.full_state, np.full((1, 1, 1, 12), 1e3))
    assert beyond.joint_targets[0, 0, 0] == pytest.approx(go2.JOINT_TORQUE_MAX)
