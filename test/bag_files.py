"""Small bags of a walk, made through the real message classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from diffusion_mpc_msgs.msg import JointCommand, Plan, RewardWeights, RobotState
from rclpy.serialization import serialize_message

from diffusion_mpc_ros.bags.manifest import MANIFEST, Manifest
from diffusion_mpc_ros.bags.writer import BagWriter
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, WALKING_KD, WALKING_KP

# When a walk's tick 0 is received [ns since 1970], and how far apart ticks are.
BEGIN, TICK_NS = 1_700_000_000 * 10**9, 20_000_000
HORIZON, MARGIN, INTERVAL = 11, 3, 2
VELOCITY = np.array([0.5, 0.0, 0.1])
ARTEFACT = "ab" * 32


@dataclass
class Sent:
    """A message on a topic, received at ``time`` [ns]."""

    topic: str
    time: int
    message: Any

    @property
    def type_name(self) -> str:
        """Return its type as a bag names it."""
        return f"{type(self.message).__module__.split('.')[0]}/msg/{type(self.message).__name__}"


def time_of(tick: int, offset: float = 0.0) -> int:
    """Return when something ``offset`` [s] after the beginning of a tick is received [ns]."""
    return BEGIN + tick * TICK_NS + round(offset * 1e9)


def action_of(tick: int) -> np.ndarray:
    """Return the joint targets ``(12,)`` of a tick: none is like another."""
    return DEFAULT_JOINT_POS + 0.01 * np.sin(0.3 * tick + np.arange(12))


def state(tick: int) -> RobotState:
    """Return a state that only its tick sets apart."""
    message = RobotState(tick=tick, lowstate_tick_ms=20 * tick, base_height=0.3)
    message.orientation.w, message.orientation.x = float(np.cos(0.05)), float(np.sin(0.05))
    message.angular_velocity.z, message.linear_velocity.x = 0.1, 0.5
    message.joint_pos = action_of(tick) + 0.01
    message.joint_vel, message.joint_torque = np.full(12, 2.0), np.full(12, -3.0)
    message.previous_action = action_of(tick - 1)
    message.foot_contact = [True, False, False, True]
    return message


def plan(start: int) -> Plan:
    """Return a plan whose rows are the actions of its ticks."""
    message = Plan(start_tick=start, horizon=HORIZON, planner="diffusion_mpc", replan_margin=MARGIN, artefact=ARTEFACT)
    message.joint_targets = np.concatenate([action_of(start + row) for row in range(HORIZON)])
    message.velocity, message.reward, message.plan_time = VELOCITY, 1.5, 0.01
    message.fact_names = ["committed", "added_vx", "added_vy", "added_yaw_rate"]
    message.fact_values = [0.0, 0.25, 0.0, -0.125]
    return message


def command(tick: int, mode: int = JointCommand.WALKING, fault: str = "", plan_start: int = -1) -> JointCommand:
    """Return what was sent at a tick, by default after the plan that begins at ``plan_start``."""
    message = JointCommand(tick=tick, mode=mode, fault=fault, holder="cmd_vel", lowstate_tick_ms=20 * tick)
    message.velocity = np.array([0.6, 0.0, 0.1])
    message.joint_pos, message.kp, message.kd = action_of(tick), np.full(12, WALKING_KP), np.full(12, WALKING_KD)
    message.plan_start_tick, message.plan_row = plan_start, tick - plan_start if plan_start >= 0 else -1
    return message


def rewards(revision: int = 0, energy: float = 0.0) -> RewardWeights:
    """Return settings of one term."""
    return RewardWeights(revision=revision, names=["energy"], weights=[energy])


def plan_start_of(tick: int) -> int:
    """Return where the plan begins that is followed at a tick: the newest of those whose row D is due."""
    return (tick - MARGIN) // INTERVAL * INTERVAL


def walk(ticks: Iterable[int]) -> list[Sent]:
    """Return what is published while the robot walks at ``ticks``, and the plans before that."""
    ticks = list(ticks)
    sent = [Sent("/reward_weights", time_of(ticks[0], -0.5), rewards())]
    starts = sorted({plan_start_of(tick) for tick in ticks} | {tick for tick in ticks if tick % INTERVAL == 0})
    sent += [Sent("/plan", time_of(start, 0.012), plan(start)) for start in starts if start >= 0]
    for tick in ticks:
        sent.append(Sent("/robot_state", time_of(tick, 0.001), state(tick)))
        sent.append(Sent("/joint_command", time_of(tick, 0.002), command(tick, plan_start=plan_start_of(tick))))
    return sorted(sent, key=lambda each: each.time)


def emergency_stop(tick: int) -> list[Sent]:
    """Return what is published at ``tick`` when the operator has stopped the robot."""
    return [
        Sent("/robot_state", time_of(tick, 0.001), state(tick)),
        Sent("/joint_command", time_of(tick, 0.002), command(tick, JointCommand.FAULT, "emergency stop (remote)")),
    ]


@dataclass
class BagFile:
    """Writes bags into a folder."""

    folder: Path
    manifest: Manifest | None = field(default_factory=lambda: Manifest(BEGIN))

    def write(self, sent: Iterable[Sent], name: str = "walk.mcap", flush_every: int = 40) -> Path:
        """Write ``sent`` in its order, a chunk every so many messages."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        writer = BagWriter(path)
        if self.manifest is not None:
            writer.add_metadata(MANIFEST, self.manifest.to_json())
        for index, each in enumerate(sent):
            writer.add(each.topic, each.type_name, each.time, each.time, serialize_message(each.message))
            if index % flush_every == flush_every - 1:
                writer.flush()
        writer.close()
        return path


def changed(sent: Iterable[Sent], topic: str, tick: int, change: Callable[[Any], None]) -> list[Sent]:
    """Return ``sent``, the message on ``topic`` for ``tick`` changed in place."""
    sent = list(sent)
    for each in sent:
        if each.topic == topic and getattr(each.message, "tick", None) == tick:
            change(each.message)
    return sent
