"""How old is what LowState measured, by the robot's own clock.

The time of receipt tells how old a message is, not how old its contents are: a link may delay them, a robot may say
the same again and again. Pure: times [s] are those of one local clock that does not go back.
"""

from __future__ import annotations

import math

import numpy as np

from diffusion_mpc_ros.core.types import LowState

# Two clocks drift apart by this much at most: the kernel corrects the local one by up to 500 ppm. A delay that grows
# faster is a delay.
CLOCK_DRIFT = 500e-6
# A robot's clock that goes back or ahead by more than this [s] has jumped; jitter of a link is less.
JUMP = 0.1
# In the moment before a command leaves, by this much [s]: two control ticks. In 80 s of messages that are all late by
# that, a delay looks like drift.
AHEAD = 0.04
# A robot's clock that has stood still, as a simulator's may, is believed again when it has lagged by the same for this
# long [s].
LAG_PERSISTENCE = 3.0


class Freshness:
    """The age of the newest measurement; :meth:`update` once a control tick or more, with the newest LowState.

    ``noisy``: sensors never measure the same twice to the last bit, so that what repeats itself was measured before. A
    simulated robot at rest may well say the same again.
    """

    def __init__(self, noisy: bool = True) -> None:
        self._noisy = noisy
        self._offset = math.inf  # [s], local time - robot's time of the quickest message
        self._measured = -math.inf  # [s], robot's time of the newest measurement
        self._newest: tuple[int, float] | None = None  # tick_ms and receive time of the newest LowState
        self._contents = b""
        self._delay = 0.0  # [s], of the newest LowState
        self._pause, self._pause_end = 0.0, 0.0  # [s], how long the robot's clock may have stood still, and until when

    def update(self, lowstate: LowState) -> float:
        """Take the newest LowState; return by how much the robot's clock has jumped [s], 0 when it has not."""
        tick_ms, received = lowstate.tick_ms, lowstate.receive_time
        robot_time = tick_ms * 1e-3
        if self._newest is None:
            return self._anchor(lowstate, 0.0)
        newest_ms, newest_received = self._newest
        step = (tick_ms - newest_ms) * 1e-3
        if step < -JUMP:
            return self._anchor(lowstate, step)
        if step <= 0.0:  # the same one again, or one that was overtaken
            return 0.0
        expected = self._offset + CLOCK_DRIFT * (received - newest_received)
        delay = received - robot_time - expected
        if delay < -JUMP:
            return self._anchor(lowstate, -delay)
        if self._paused(delay, received):
            return self._anchor(lowstate, -delay)
        self._offset = min(expected, received - robot_time)
        self._newest = tick_ms, received
        self._note(lowstate)
        return 0.0

    def ahead(self, tick_ms: int, now: float) -> float:
        """Return by how much [s] the robot's clock, ``tick_ms`` [ms] at ``now``, has run on without the local one.

        Negative for what is late; minus infinity before the first LowState.
        """
        if self._newest is None:
            return -math.inf
        return tick_ms * 1e-3 + self._offset + CLOCK_DRIFT * (now - self._newest[1]) - now

    def age(self, now: float) -> float:
        """Return the age [s] of the newest measurement at ``now``; infinite before the first LowState."""
        return now - (self._measured + self._offset) if self._newest is not None else math.inf

    def _anchor(self, lowstate: LowState, jump: float) -> float:
        """Believe from now on that ``lowstate`` has come without delay."""
        self._newest = lowstate.tick_ms, lowstate.receive_time
        self._offset = lowstate.receive_time - lowstate.tick_ms * 1e-3
        self._delay = self._pause = 0.0
        self._contents = b""
        self._note(lowstate)
        return jump

    def _paused(self, delay: float, received: float) -> bool:
        """Tell whether the robot's clock stood still for a while: messages are late since one moment, by the same.

        A delay that has grown step by step is one of the link, and stays one.
        """
        if delay - self._delay >= JUMP:
            self._pause, self._pause_end = self._pause + delay - self._delay, received
        elif delay < JUMP:
            self._pause = 0.0
        self._delay = delay
        steady = self._pause > 0.0 and abs(delay - self._pause) < 0.5 * JUMP
        return steady and received - self._pause_end >= LAG_PERSISTENCE

    def _note(self, lowstate: LowState) -> None:
        """Remember when what ``lowstate`` says was measured."""
        if self._noisy:
            imu = (lowstate.base_ang_vel, lowstate.base_lin_acc)
            contents = np.concatenate([*imu, lowstate.joint_pos, lowstate.joint_vel, lowstate.joint_torque]).tobytes()
            if contents == self._contents:
                return
            self._contents = contents
        self._measured = lowstate.tick_ms * 1e-3
