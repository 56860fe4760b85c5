"""The node ``planner``: robot states, velocity commands and reward weights in, plans out.

Serves ``load_artefact`` (nodes/artefact_loading.py) and ``declare_model`` (nodes/model_declaration.py). Follows the
velocity that command_publisher says in ``joint_command``: that of whoever holds the robot. Publishes ``plan``,
``predicted_trajectory``, ``predicted_feet`` (MarkerArray) and ``/diagnostics`` with the plan latency and
the level that the time budget leaves (planners/anytime.py). Refuses to start where plans are too slow for the timing.
"""

from __future__ import annotations

import gc

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from diffusion_mpc_msgs import msg as messages

from diffusion_mpc_ros.control.command_ramp import CommandRamp
from diffusion_mpc_ros.control.heard_command import HeardCommand
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.closing import close_all
from diffusion_mpc_ros.core.message_fields import read_reward_settings
from diffusion_mpc_ros.core.types import Plan, RobotState
from diffusion_mpc_ros.nodes.artefact_loading import ArtefactLoading
from diffusion_mpc_ros.nodes.conversions.joint_commands import read_joint_command
from diffusion_mpc_ros.nodes.conversions.robot_states import read_robot_state
from diffusion_mpc_ros.nodes.followed_rewards import FollowedRewards
from diffusion_mpc_ros.nodes.managed_node import ManagedNode, Status
from diffusion_mpc_ros.nodes.model_declaration import ModelDeclaration
from diffusion_mpc_ros.nodes.parameters import frame_prefix
from diffusion_mpc_ros.nodes.plan_publisher import PlanPublisher
from diffusion_mpc_ros.nodes.qos import LATEST, SETTINGS
from diffusion_mpc_ros.nodes.runtime import freeze_garbage, run
from diffusion_mpc_ros.nodes.settings import PlannerSettings
from diffusion_mpc_ros.planners.registry import make_planner, settings_of
from diffusion_mpc_ros.realtime.asynchronous_planner import PlannerFailure
from diffusion_mpc_ros.realtime.planning_loop import PlanningLoop
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime, usable_cores


class PlannerNode(ManagedNode):
    """Decodes the inputs for the :class:`PlanningLoop` and publishes what it plans."""

    def __init__(self) -> None:
        super().__init__("planner")
        settings = self.declare(PlannerSettings)
        own = self.declare(settings_of(settings.planner))
        # Threads made from here on, the planner's among them, inherit it.
        realtime = schedule_realtime(settings.realtime_priority)
        self._command = HeardCommand(CommandRamp(settings.max_command, settings.max_command_rate))
        self._planner = make_planner(settings, own)
        self._settle(f"SCHED_FIFO {settings.realtime_priority}" if realtime else "no real-time priority")
        self._level = self._planner.level
        self._rewards = FollowedRewards(self._planner)
        self._failures = 0
        self._plans = PlanPublisher(self, frame_prefix(self, settings.frame_prefix) + settings.base_frame)
        gain = settings.velocity_feedback
        self._loop = PlanningLoop(self._planner, self._publish, self._on_failure, self._show, gain)
        priority = settings.realtime_priority if realtime else 0
        self._loading = ArtefactLoading(self, self._planner, self._rewards, priority)
        self._declaration = ModelDeclaration(self, self._planner, priority)
        take = self.intake.subscribe
        take(messages.RobotState, "robot_state", read_robot_state, self._on_state, LATEST)
        take(messages.RewardWeights, "reward_weights", read_reward_settings, self._rewards.take, SETTINGS)
        take(messages.JointCommand, "joint_command", read_joint_command, self._on_command, LATEST)

    def close(self) -> None:
        """Stop planning."""
        close_all(self._loading.close, self._declaration.close, self._loop.close)

    def _settle(self, priority: str) -> None:
        """Settle the level from measurement, and say what is settled; raises TimingError (AnytimePlanner.settle)."""
        planner, log = self._planner, self.get_logger()
        freeze_garbage()
        memory = "memory locked" if self.memory_locked else "memory not locked"
        frozen = f"{gc.get_freeze_count()} objects frozen"
        log.info(f"{planner.describe()}; {usable_cores()} cores, not pinned; {priority}; {memory}; {frozen}")
        trial = planner.settle()
        times = f"plan time with all rewards p50 {trial.p50 * 1e3:.1f} ms, p99 {trial.p99 * 1e3:.1f} ms"
        log.info(f"{planner.name}: {planner.describe_level()}; {times}")

    def _on_state(self, state: RobotState) -> None:
        velocity, followed = self._command.at(clock.now())
        self._loop.update(state, velocity, self._rewards.settings, followed)

    def _on_command(self, message: messages.JointCommand) -> None:
        self._command.hear(np.array(message.velocity), message.plan_row >= 0, clock.now())

    def _publish(self, plan: Plan) -> None:
        """In the planner's thread."""
        self._plans.publish(plan, self._planner.identity)

    def _show(self, plan: Plan) -> None:
        """In the planner's thread."""
        self._plans.show(plan)
        self._tell_change_of_level()

    def _tell_change_of_level(self) -> None:
        if self._planner.level > self._level:
            self.get_logger().warning(f"plans take too long: down to {self._planner.describe_level()}")
        elif self._planner.level < self._level:
            self.get_logger().info(f"plans are fast again: up to {self._planner.describe_level()}")
        self._level = self._planner.level

    def _on_failure(self, failure: PlannerFailure) -> None:
        """In the planner's thread."""
        self._failures += 1
        text = f"no plan for tick {failure.request.tick}: {failure.error!r} ({failure.consecutive} in a row)"
        self.get_logger().error(text, throttle_duration_sec=1.0)

    def status(self) -> Status:
        """Plan times, failures, and the level that the time budget leaves."""
        summary = self._loop.latency.summary()
        late = summary.count and summary.p99 > self._loop.latency.limit
        values = {
            "plan_time_p50_ms": summary.p50 * 1e3,
            "plan_time_p99_ms": summary.p99 * 1e3,
            "plan_time_max_ms": summary.max * 1e3,
            "plans": summary.count,
            "misses": summary.misses,
            "failures": self._failures,
            **self._planner.facts(),
        }
        degraded = self._planner.level > self._planner.configured
        level = DiagnosticStatus.WARN if late or degraded or self._failures else DiagnosticStatus.OK
        text = f"plans of up to {self._loop.latency.limit * 1e3:.0f} ms are in time"
        if degraded:
            text += f"; degraded to {self._planner.describe_level()}"
        return level, text, values


def main() -> None:
    """Console entry point."""
    run(PlannerNode)


if __name__ == "__main__":
    main()
