"""The supervisor under at least 100,000 random inputs: whatever comes, what it lets out is safe.

A failure names seed, regime and tick; ``check(seed, regime)`` runs that sequence again.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.control.feed_forward import NONE, FeedForward
from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.modes import REQUESTS, TRANSITIONS, Event, Mode
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.control.supervisor import Supervisor, SupervisorInput, SupervisorOutput
from diffusion_mpc_ros.core.go2 import (
    CONTROL_DT,
    DAMPING_KD,
    DEFAULT_JOINT_POS,
    JOINT_POS_MAX,
    JOINT_POS_MIN,
    JOINT_TORQUE_MAX,
    JOINT_VEL_MAX,
    LYING_JOINT_POS,
    STANDING_KD,
    STANDING_KP,
)
from diffusion_mpc_ros.core.settings import declarations
from diffusion_mpc_ros.core.types import LowState

INPUTS, TICKS = 100_000, 250
# Share of the ticks at which something begins to be wrong, for a few ticks.
REGIMES = {"calm": 0.001, "rough": 0.02, "hostile": 0.3}
SAFE = (Mode.DAMPING, Mode.FAULT)
SOUND = LinkStatus(robot_controller="", watchdog_ready=True)
FIELDS = (
    "base_quat_wxyz",
    "base_ang_vel",
    "base_lin_acc",
    "joint_pos",
    "joint_vel",
    "joint_torque",
    "motor_temperature",
)
NUMBERS = (np.nan, np.inf, -np.inf, 1e300, -1e300, 1e9, -1e9, 300.0, -300.0, 12.0, -5.0, 1e-300, 0.0)
SHAPES = ((11,), (13,), (), (0,), (12, 1), (1, 12), (4, 3))
LINKS = (
    LinkStatus(),
    dataclasses.replace(SOUND, robot_controller="mcf"),
    dataclasses.replace(SOUND, robot_controller=None),
    dataclasses.replace(SOUND, foreign_publishers=1),
    dataclasses.replace(SOUND, foreign_publishers=10**6),
    dataclasses.replace(SOUND, foreign_lowstate="a bag"),
    dataclasses.replace(SOUND, write_error="no memory"),
    dataclasses.replace(SOUND, watchdog_ready=False),
    dataclasses.replace(SOUND, artefact_error="corrupt"),
    dataclasses.replace(SOUND, clock_error="the clock stands still"),
)

BOUNDS = {name: (entry.setting.low, entry.setting.high) for name, entry in declarations(SafetySettings).items()}


def random_settings(rng: np.random.Generator) -> SafetySettings:
    """Thresholds anywhere in their bounds; the motions short, so that a sequence gets through several."""
    values = {name: float(rng.uniform(low, high)) for name, (low, high) in BOUNDS.items()}
    values["violation_ticks"] = float(rng.integers(1, 11))
    for name in ("fold_time", "stand_up_time", "sit_down_time", "settle_time", "plan_timeout"):
        values[name] = BOUNDS[name][0] * float(rng.uniform(1.0, 1.5))
    # Most robots are fit to stand: hot motors and empty batteries are among what goes wrong.
    values["motor_temperature_max"] = float(rng.uniform(60.0, 110.0))
    values["battery_min"], values["arming_battery_min"] = sorted(rng.uniform(0.0, 60.0, 2).tolist())
    return SafetySettings(**values)


class World:
    """A robot whose joints follow their targets, an operator who presses buttons, and what goes wrong with both."""

    def __init__(self, rng: np.random.Generator, faults: float) -> None:
        self._rng, self._faults = rng, faults
        self._noise = rng.normal(size=(TICKS, 33))
        self._joint_pos = LYING_JOINT_POS + rng.normal(0.0, 0.05, 12)
        self._wrong, self._ticks_left = None, 0

    def input(self, tick: int, before: SupervisorOutput | None) -> SupervisorInput:
        """What the supervisor is given at ``tick``, after the output ``before``."""
        rng, noise = self._rng, self._noise[tick]
        if before is not None and before.command.kp.any():
            self._joint_pos = self._joint_pos + np.clip(before.command.joint_pos - self._joint_pos, -0.3, 0.3)
        roll = 0.1 * noise[0]
        values = {
            "tick_ms": 20 * tick,
            "receive_time": CONTROL_DT * tick,
            "base_quat_wxyz": np.array([np.cos(roll), np.sin(roll), 0.0, 0.0]),
            "base_ang_vel": noise[1:4],
            "base_lin_acc": noise[4:7],
            "joint_pos": self._joint_pos + 0.02 * noise[7:19],
            "joint_vel": 2.0 * noise[19:31],
            "joint_torque": 5.0 * noise[7:19],
            "foot_force": np.full(4, 40.0),
            "motor_temperature": np.full(12, 40.0),
            "battery_soc": 80.0,
        }
        given = {
            "tick": tick,
            "lowstate_age": abs(0.002 * noise[31]),
            "joint_targets": DEFAULT_JOINT_POS + 0.3 * noise[19:31] if noise[32] < 1.5 else None,
            "request": self._request(before.mode if before else Mode.DAMPING),
            "link": SOUND,
            "held": noise[32] > -2.0,
            "feed_forward": FeedForward(10.0 * noise[7:19], 10.0 * noise[19:31]) if noise[31] > 0.0 else NONE,
        }
        if self._ticks_left == 0 and rng.random() < self._faults:
            self._wrong, self._ticks_left = int(rng.integers(len(WRONGS))), int(rng.geometric(0.3))
        if self._ticks_left > 0:
            self._ticks_left -= 1
            WRONGS[self._wrong](rng, given, values)
        for value in (*values.values(), given["joint_targets"]):
            if isinstance(value, np.ndarray):
                value.setflags(write=False)  # whoever writes into its inputs raises
        return SupervisorInput(**{"lowstate": LowState(**values), **given})

    def _request(self, mode: Mode) -> Event | None:
        """Mostly the operator wants the robot to walk; now and then anything."""
        draw = self._rng.random()
        if draw < 0.03:
            return one_of(self._rng, REQUESTS)
        onwards = {Mode.DAMPING: Event.STAND_UP, Mode.STANDING: Event.WALK, Mode.FAULT: Event.CLEAR_FAULT}
        return onwards.get(mode) if draw < 0.3 else None


def one_of(rng: np.random.Generator, choices):
    """One of ``choices``, as it is."""
    return choices[int(rng.integers(len(choices)))]


def wrong_number(rng, given, values):
    """A number that is none, or impossible, in one element of a field of LowState."""
    name = one_of(rng, FIELDS)
    spoiled = values[name].copy()
    spoiled[rng.integers(spoiled.size)] = one_of(rng, NUMBERS)
    values[name] = spoiled


def wrong_numbers(rng, given, values):
    """The same in all elements."""
    name = one_of(rng, FIELDS)
    values[name] = np.full(values[name].shape, one_of(rng, NUMBERS))


def wrong_shape(rng, given, values):
    """A field of LowState with too few, too many or otherwise arranged numbers."""
    values[one_of(rng, FIELDS)] = np.zeros(one_of(rng, SHAPES))


def wrong_plan(rng, given, values):
    """A row with numbers that are none, of another shape, or far outside."""
    rows = (
        np.full(12, one_of(rng, NUMBERS)),
        np.where(np.arange(12) == rng.integers(12), one_of(rng, NUMBERS), DEFAULT_JOINT_POS),
        np.zeros(one_of(rng, SHAPES)),
        rng.normal(0.0, 10.0 ** rng.integers(0, 300), 12),
        None,
    )
    given["joint_targets"] = one_of(rng, rows)


def wrong_feed_forward(rng, given, values):
    """Numbers that are none, of another shape, or far outside."""
    rows = (
        np.full(12, one_of(rng, NUMBERS)),
        np.where(np.arange(12) == rng.integers(12), one_of(rng, NUMBERS), 0.0),
        np.zeros(one_of(rng, SHAPES)),
        rng.normal(0.0, 10.0 ** rng.integers(0, 300), 12),
        np.zeros(12),
    )
    given["feed_forward"] = FeedForward(one_of(rng, rows), one_of(rng, rows))


def wrong_age(rng, given, values):
    """LowState too old, from the future, of no age."""
    given["lowstate_age"] = one_of(rng, (0.06, 0.2, 0.6, -0.2, -1e9, np.nan, np.inf, -np.inf))


def wrong_stall(rng, given, values):
    """A loop that has not run, or a clock that jumped."""
    given["since_last_step"] = one_of(rng, (0.1, 0.3, 0.6, -1.0, 0.0, np.nan, np.inf, -np.inf))


def wrong_link(rng, given, values):
    """Somebody else commands the motors, or too little is known to arm."""
    given["link"] = one_of(rng, LINKS)


def no_lowstate(rng, given, values):
    """No LowState at all."""
    given["lowstate"] = None


def wear(rng, given, values):
    """A hot motor or an empty battery, or no number in its place."""
    values["battery_soc"] = one_of(rng, (0.0, 5.0, 30.0, np.nan, np.inf, -1.0, None))
    values["motor_temperature"] = np.full(12, one_of(rng, (40.0, 100.0, 255.0)))


def pushed(rng, given, values):
    """Tilted, or joints that are fast or beyond their limits."""
    roll = rng.uniform(0.0, np.pi)
    values["base_quat_wxyz"] = np.array([np.cos(roll / 2), np.sin(roll / 2), 0.0, 0.0])
    values["joint_vel"] = rng.normal(0.0, 30.0, 12)
    values["joint_pos"] = values["joint_pos"] + rng.normal(0.0, 0.5, 12)


def motors_off(rng, given, values):
    """A motor out of servo mode."""
    values["motor_mode"] = np.where(np.arange(12) == rng.integers(12), rng.integers(0, 256), 1)


def clock_jump(rng, given, values):
    """The robot's clock ahead of the local one, or back."""
    given["clock_jump"] = one_of(rng, (0.2, -0.2, 1e6, -1e6, np.inf))


def e_stop(rng, given, values):
    """An emergency stop, from anywhere, whatever else is asked."""
    given["e_stop"] = one_of(rng, ("remote", "topic", "joy"))


def wrong_request(rng, given, values):
    """A request that nobody may make."""
    given["request"] = one_of(rng, (Event.FAULT, Event.MOTION_DONE, Event.PLAN_LOST, Event.WEAR, "walk", 7))


WRONGS = (
    wrong_number,
    wrong_numbers,
    wrong_shape,
    wrong_plan,
    wrong_feed_forward,
    wrong_age,
    wrong_stall,
    wrong_link,
    no_lowstate,
    wear,
    pushed,
    e_stop,
    wrong_request,
    motors_off,
    clock_jump,
)


def distrusted(inputs: SupervisorInput, age_max: float) -> bool:
    """Whether LowState cannot be trusted or somebody else commands the motors, told from the inputs alone."""
    lowstate = inputs.lowstate
    if lowstate is None or not abs(inputs.lowstate_age) <= age_max:
        return True
    shapes = {"base_quat_wxyz": (4,), "base_ang_vel": (3,), "base_lin_acc": (3,)}
    for name in FIELDS:
        value = getattr(lowstate, name)
        if value.shape != shapes.get(name, (12,)) or not np.isfinite(value).all():
            return True
    battery = lowstate.battery_soc
    return (
        (battery is not None and not np.isfinite(battery))
        or bool(inputs.link.robot_controller or inputs.link.foreign_lowstate or inputs.link.write_error)
        or inputs.link.foreign_publishers > 0
        or inputs.clock_jump != 0.0
    )


def check_mode(before: SupervisorOutput | None, inputs: SupervisorInput, output: SupervisorOutput, limits) -> None:
    """Only transitions of the table, each for its reason; faults latch; an emergency stop is one at once."""
    was, mode = Mode.DAMPING if before is None else before.mode, output.mode
    assert mode is was or mode in TRANSITIONS[was].values()
    assert (output.fault is not None) == (mode is Mode.FAULT)
    if inputs.e_stop:
        assert mode is Mode.FAULT
    if was is Mode.FAULT and mode is Mode.FAULT:
        stopped_meanwhile = output.fault.emergency_stop and not before.fault.emergency_stop
        assert output.fault is before.fault or (inputs.request is Event.CLEAR_FAULT and stopped_meanwhile)
    if was is Mode.FAULT and mode is not Mode.FAULT:
        assert inputs.request is Event.CLEAR_FAULT and mode is Mode.DAMPING
    if mode is Mode.FAULT and was is not Mode.FAULT:
        assert output.fault.tick == inputs.tick and output.fault.cause
    if mode is not was and mode in (Mode.STANDING_UP, Mode.WALKING):
        assert inputs.request is (Event.STAND_UP if mode is Mode.STANDING_UP else Event.WALK)
    if mode is not was and mode is Mode.STANDING_UP:
        link = inputs.link
        assert not distrusted(inputs, limits.arming_lowstate_age_max)
        assert link.robot_controller == "" and link.watchdog_ready and not link.artefact_error and not link.clock_error
        assert inputs.lowstate.battery_soc >= limits.arming_battery_min and (inputs.lowstate.motor_mode == 1).all()
    stalled = not inputs.since_last_step <= limits.loop_stall_max
    if was not in SAFE and (stalled or distrusted(inputs, limits.lowstate_age_max)):
        assert mode is Mode.FAULT


def check_command(
    before: SupervisorOutput | None, inputs: SupervisorInput, output: SupervisorOutput, limits: SafetySettings
) -> None:
    """Finite, within every limit; nothing but damping where nothing may move."""
    command = output.command
    for values in (command.joint_pos, command.joint_vel, command.kp, command.kd, command.torque):
        assert values.shape == (12,) and np.isfinite(values).all()
    if output.mode in SAFE:
        assert not command.joint_vel.any() and not command.torque.any()
        assert not command.kp.any() and (command.kd == DAMPING_KD).all()
        assert not output.following_plan and output.clamped == 0
        return
    lowstate = inputs.lowstate
    assert (command.joint_pos >= JOINT_POS_MIN).all() and (command.joint_pos <= JOINT_POS_MAX).all()
    assert (command.kp >= 0.0).all() and (command.kp <= STANDING_KP).all()
    assert (command.kd >= 0.0).all() and (command.kd <= max(STANDING_KD, DAMPING_KD)).all()
    torque = command.kp * (command.joint_pos - lowstate.joint_pos) + command.torque
    torque += command.kd * (command.joint_vel - lowstate.joint_vel)
    assert (np.abs(torque) <= limits.torque_factor * JOINT_TORQUE_MAX * (1.0 + 1e-9)).all()
    assert (np.abs(command.joint_vel) <= JOINT_VEL_MAX).all()
    assert (np.abs(command.torque) <= limits.torque_factor * JOINT_TORQUE_MAX).all()
    vel_before, torque_before = (before.command.joint_vel, before.command.torque) if before else (np.zeros(12),) * 2
    vel_step, torque_step = limits.feed_forward_velocity_rate_max, limits.feed_forward_torque_rate_max
    assert (np.abs(command.joint_vel - vel_before) <= vel_step * CONTROL_DT + 1e-9).all()
    assert (np.abs(command.torque) - np.abs(torque_before) <= torque_step * CONTROL_DT + 1e-9).all()
    moved_before = before is not None and before.mode not in SAFE
    start = before.command.joint_pos if moved_before else np.clip(lowstate.joint_pos, JOINT_POS_MIN, JOINT_POS_MAX)
    assert (np.abs(command.joint_pos - start) <= limits.joint_target_rate_max * CONTROL_DT + 1e-9).all()
    if not moved_before:
        assert (command.kp <= limits.kp_rate * CONTROL_DT).all()
    if output.following_plan:
        assert output.mode is Mode.WALKING and np.isfinite(inputs.joint_targets).all()


def same(first: SupervisorOutput, second: SupervisorOutput) -> bool:
    """Whether two outputs say the same, bit for bit."""
    commands = zip(dataclasses.astuple(first.command), dataclasses.astuple(second.command))
    rest = [
        (output.mode, output.fault, output.message, output.following_plan, output.clamped) for output in (first, second)
    ]
    return rest[0] == rest[1] and all(np.array_equal(left, right) for left, right in commands)


def check(seed: int, regime: str, seen: Counter | None = None) -> int:
    """One sequence; every invariant after every step. The number of inputs; transitions are counted in ``seen``."""
    rng = np.random.default_rng(seed)
    limits = random_settings(rng)
    world, supervisor, twin = World(rng, REGIMES[regime]), Supervisor(limits), Supervisor(limits)
    before = None
    for tick in range(TICKS):
        inputs = world.input(tick, before)
        try:
            output = supervisor.step(inputs)
            check_mode(before, inputs, output, limits)
            check_command(before, inputs, output, limits)
            # Every fourth sequence also goes to a second supervisor: the same inputs, the same output.
            assert seed % 4 or same(twin.step(inputs), output)
        except Exception as error:
            raise AssertionError(f"seed {seed}, regime {regime!r}, tick {tick}: {error!r} after {inputs}") from error
        if seen is not None:
            seen[before.mode if before else Mode.DAMPING, output.mode] += 1
        before = output
    return TICKS


def test_what_leaves_is_safe_whatever_comes():
    inputs, seen = Counter(), Counter()

    @settings(max_examples=INPUTS // TICKS, deadline=None, database=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(REGIMES)))
    def run(seed: int, regime: str) -> None:
        inputs[regime] += check(seed, regime, seen)

    run()
    assert sum(inputs.values()) >= INPUTS
    assert set(inputs) == set(REGIMES)
    # Every change of mode that the table knows has been gone through.
    changes = {(mode, target) for mode, events in TRANSITIONS.items() for target in events.values()}
    assert changes <= set(seen)
