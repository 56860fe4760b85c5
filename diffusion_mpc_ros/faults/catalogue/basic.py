"""Faults of each process, of the link, of the plans and of the machine."""

from __future__ import annotations

import math

from diffusion_mpc_ros.faults import plan_faults
from diffusion_mpc_ros.faults.catalogue.fault import Fault
from diffusion_mpc_ros.faults.expectation import (
    DAMPED_BY_WATCHDOG,
    HALTS,
    SAFE,
    STANDS,
    WALKS_ON,
    WALKS_OR_STANDS,
    Expectation,
    Recovery,
    faults,
)
from diffusion_mpc_ros.faults.harness import Setup
from diffusion_mpc_ros.faults.injections import basic as inject
from diffusion_mpc_ros.faults.injections import operator

PLANS_PASS = Setup(plans_pass=True)
# An emergency stop reaches damping within two ticks.
STOP_TICKS = 2


def _lowstate(name: str, injected: str, expected: Expectation, quick: bool = False, **fault: float) -> Fault:
    return Fault(f"LowState {name}", injected, expected, inject.lowstate(**fault), quick=quick)


def _plans(name: str, injected: str, change: plan_faults.PlanFault, quick: bool = False) -> Fault:
    return Fault(f"plans {name}", injected, STANDS, inject.plans(change), 1.0, PLANS_PASS, quick=quick)


def _slow(factor: int, expected: Expectation) -> Fault:
    injected = f"the planner gets 1/{factor} of its time, 3 ms at a time"
    return Fault(f"planner slow x{factor}", injected, expected, inject.duty_cycle("planner", 3e-3, (factor - 1) * 3e-3))


def _stalled(milliseconds: int, expected: Expectation) -> Fault:
    injected = f"SIGSTOP for {milliseconds} ms every second"
    stalls = inject.duty_cycle("state_estimator", 1.0, milliseconds * 1e-3)
    return Fault(f"estimator stalled {milliseconds} ms", injected, expected, stalls, 4.0)


def _killed(name: str, expected: Expectation, quick: bool = False) -> Fault:
    return Fault(f"{name} killed", "SIGKILL", expected, inject.killed(name), 1.0, quick=quick)


_SITS = Expectation(
    STANDS.text + ", sits down when asked", STANDS.ends_in, moves=False, reaction=STANDS.reaction,
    recovery=Recovery.SIT_DOWN,
)  # fmt: skip

PLANNER = (
    Fault("planner killed", "SIGKILL", _SITS, inject.killed("planner"), 1.0),
    Fault("planner killed, restarted", "SIGKILL, then a new one", STANDS, inject.killed("planner"), 1.0, quick=True),
    Fault("planner hung", "SIGSTOP", STANDS, inject.paused("planner"), 1.0),
    _slow(3, WALKS_ON),
    _slow(10, WALKS_OR_STANDS),
)
PLANS = (
    _plans("NaN", "one joint target of every plan is NaN", plan_faults.one_value(math.nan), quick=True),
    _plans("Inf", "one joint target of every plan is infinite", plan_faults.one_value(math.inf)),
    _plans("out of range", "all joint targets 10 rad too high", plan_faults.out_of_range),
    _plans("of wrong shape", "a number or a row short, or another horizon", plan_faults.wrong_shape),
    _plans("with old ticks", "for ticks a second ago", plan_faults.old_ticks),
    _plans("with future ticks", "for ticks in twenty seconds", plan_faults.future_ticks),
    _plans("of another artefact", "another SHA-256", plan_faults.other_artefact),
)
ESTIMATOR = (
    _killed("state_estimator", STANDS),
    _stalled(20, WALKS_ON),
    _stalled(100, WALKS_ON),
    _stalled(500, WALKS_OR_STANDS),
)
AGE = "LowState age"
LOWSTATE = (
    _lowstate("lost 1 %", "at random", WALKS_ON, loss=0.01),
    _lowstate("lost 5 %", "at random", WALKS_ON, loss=0.05),
    _lowstate("lost 20 %", "at random", WALKS_ON, quick=True, loss=0.2),
    # 100 ms is the limit itself: a burst of that length may be a FAULT or not.
    _lowstate("lost in bursts", "80 ms gone every second", WALKS_ON, gap=0.08, gap_period=1.0),
    _lowstate("gone for 300 ms", "once", faults(AGE), gap=0.3),
    _lowstate("delayed 5 ms", "every one", WALKS_ON, delay=5e-3),
    _lowstate("delayed 15 ms", "every one", WALKS_ON, delay=15e-3),
    _lowstate("delayed 30 ms", "every one", WALKS_ON, delay=30e-3),
    _lowstate("delayed 45 ms", "every one", WALKS_ON, delay=45e-3),
    _lowstate("duplicated", "every one twice", WALKS_ON, duplicate=1.0),
    _lowstate("reordered", "one of five is overtaken by its successors", WALKS_ON, reorder=0.2),
    _lowstate("CRC broken, 1 %", "a bit of the CRC flipped", WALKS_ON, bad_crc=0.01),
    _lowstate("CRC broken, all", "a bit of the CRC flipped", faults(AGE), quick=True, bad_crc=1.0),
    _lowstate("NaN, 1 %", "one number is NaN, the CRC is right", WALKS_ON, nan=0.01),
    _lowstate("NaN, all", "one number is NaN, the CRC is right", faults(AGE), nan=1.0),
    Fault("robot clock +10 s", "LowState's clock jumps ahead", faults("the robot's clock ran on"),
          inject.clock_jump(10_000)),
    Fault("robot clock -10 s", "LowState's clock jumps back", faults("the robot's clock went back"),
          inject.clock_jump(-10_000)),
)  # fmt: skip
REWARDS = (
    Fault("reward service flooded", "2,560 calls, 64 at once", WALKS_ON, inject.reward_flood(2560), 1.0),
    Fault("reward service fed garbage", "unknown, not finite, huge, misshapen", WALKS_ON, inject.reward_garbage(), 1.0),
    _killed("reward_composer", WALKS_ON),
)
ROBOT = (
    Fault("simulator paused 1 s", "SIGSTOP", faults(AGE), inject.paused("go2_simulator", 1.0), 1.0),
    _killed("go2_simulator", faults(AGE)),
    Fault("robot pushed over", "400 N sideways for 0.6 s", faults("tilt"), inject.push((0.0, 400.0, 0.0), 0.6), 1.0,
          quick=True),
)  # fmt: skip
STOPS = (
    Fault("emergency stop by remote", "B held on the robot's remote",
          faults("emergency stop", STOP_TICKS), operator.remote(), 0.5, quick=True, held=True),
    Fault("emergency stop by topic", "e_stop: true",
          faults("emergency stop", STOP_TICKS), operator.asserted("reliable"), 0.5, held=True),
    Fault("emergency stop by service", "command_publisher/e_stop",
          faults("emergency stop", STOP_TICKS), inject.stop_by_service(), 0.5),
)  # fmt: skip
COMMANDS = (
    Fault("command_publisher killed", "SIGKILL", DAMPED_BY_WATCHDOG, inject.killed("command_publisher"), 2.0,
          quick=True),
    Fault("command_publisher paused 1 s", "SIGSTOP", faults("control loop stalled"),
          inject.paused("command_publisher", 1.0), 1.0),
    Fault("watchdog killed", "SIGKILL of command_publisher's child", WALKS_ON,
          inject.child_killed("command_publisher"), 4.0),
    Fault("foreign LowCmd publisher", "another program opens rt/lowcmd",
          faults("other publishers of rt/lowcmd"), inject.foreign_publisher(), 1.0, quick=True),
    Fault("robot's own controller comes back", "the motion switcher says 'normal'",
          faults("own controller"), inject.robot_controller("normal"), 2.0),
    Fault("joystick unplugged", "Joy messages drive it, then end", HALTS, inject.joystick_unplugged(), 2.0,
          cmd_vel=(0.0, 0.0, 0.0)),
)  # fmt: skip
MACHINE = (
    Fault("CPU starved", "two busy loops", WALKS_ON, inject.busy_loops(2), 6.0),
    Fault("CPU starved, no real-time priority", "two busy loops", SAFE, inject.busy_loops(2), 6.0,
          Setup(realtime=False)),
    Fault("disk full", "what the nodes print and log cannot be written", WALKS_ON, inject.nothing(), 5.0,
          Setup(disk_full=True)),
)  # fmt: skip

# In an order that restarts as few processes as possible.
BASIC = (*PLANNER, *ESTIMATOR, *LOWSTATE, *REWARDS, *STOPS, *ROBOT, *COMMANDS, *PLANS, *MACHINE)
