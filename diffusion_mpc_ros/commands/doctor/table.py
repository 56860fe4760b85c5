"""Every check of ``diffusion-mpc doctor``, in the order in which they run."""

from __future__ import annotations

import os

import psutil

from diffusion_mpc_ros.commands.doctor import hardware, lowstates, machine, middleware, model, network, robot, software
from diffusion_mpc_ros.commands.doctor.findings import Check
from diffusion_mpc_ros.go2 import profile

_HEARD = ("rt/lowstate",)
_JUDGED = ("rt/lowstate", "configuration")
_OBSERVED = ("rt/lowstate rate",)
_CORRECT = "correct the file: git has the shipped one (config/)"

# The machine before anything loads it; a robot's state before the planner is timed.
CHECKS = (
    Check("Python", software.check_python),
    Check("free cores", machine.check_cores),
    Check("packages", software.check_packages),
    Check("messages", software.check_messages),
    Check("configuration", software.check_configuration, remedy=_CORRECT),
    Check("node parameters", software.check_parameters, needs=("packages", "messages"), remedy=_CORRECT),
    Check("CPU governor", machine.check_governor),
    Check("real-time priority", machine.check_priority, remedy=_CORRECT),
    Check("real-time share", machine.check_throttling),
    Check("memory", lambda c: machine.judge_memory(psutil.virtual_memory().available / machine.GIB)),
    Check("memory lock", machine.check_memory_lock),
    Check("disk", machine.check_disk),
    Check("network interface", network.check_interface),
    Check("robot's address", network.check_reach, needs=("network interface",), slow=True),
    Check("multicast", network.check_multicast, needs=("network interface",)),
    Check("receive buffer", network.check_receive_buffer),
    Check("RMW", middleware.check_rmw),
    Check("ROS domain", lambda c: middleware.judge_ros_domain(os.environ, c.domain_id)),
    Check("ROS discovery", middleware.check_discovery),
    Check("ROS log folder", middleware.check_log_folder),
    Check("robot profile", robot.check_profile),
    Check("DDS domain", robot.check_domain, needs=("network interface",), remedy="see interface and RMW above"),
    Check("rt/lowstate", lowstates.check_lowstate, needs=("DDS domain",)),
    Check("rt/lowstate rate", lowstates.check_rate, needs=_HEARD, slow=True),
    Check(
        "rt/lowstate gaps",
        lambda c: lowstates.judge_gaps(c.observation, c.settings),
        needs=(*_OBSERVED, "configuration"),
    ),
    Check("rt/lowstate CRC", lambda c: lowstates.judge_integrity(c.observation), needs=_OBSERVED),
    Check("robot's clock", lambda c: lowstates.judge_clock(c.observation), needs=_OBSERVED, signal=profile.TICK),
    Check(
        "battery",
        lambda c: robot.judge_battery(c.latest.battery_soc, c.settings),
        needs=_JUDGED,
        signal=profile.BATTERY,
    ),
    Check(
        "motor temperature", lambda c: robot.judge_temperature(c.latest.motor_temperature, c.settings), needs=_JUDGED
    ),
    Check("motors", lambda c: hardware.judge_motors(c.listener.recent()), needs=_HEARD, signal=profile.MOTOR_MODE),
    Check("foot forces", lambda c: hardware.judge_feet(c.listener.recent()), needs=_HEARD, signal=profile.FOOT_FORCE),
    Check("joints", lambda c: robot.judge_joints(c.latest, c.settings), needs=_JUDGED),
    Check("remote", lambda c: robot.judge_remote(c.latest.wireless_remote), needs=_HEARD),
    Check("sport mode", robot.check_controller, needs=_HEARD, signal=profile.MOTION_SWITCHER, slow=True),
    Check("rt/lowcmd", robot.check_publishers, needs=("DDS domain",)),
    Check("model artefact", model.check_artefact, remedy="take another --artefact, or restore models/ from git"),
    Check("plan time", model.check_plan_time, needs=("model artefact",), slow=True, remedy=_CORRECT),
)
