"""An audit of every LowCmd on the wire that shares no code with the supervisor which made it.

It knows the message's layout, the Go2's constants and the thresholds of ``config/safety.yaml``, and judges from what
crosses the wire alone: LowStates one way, LowCmds the other.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.go2.crc import low_level_crc
from diffusion_mpc_ros.go2.wire import LOWCMD, LOWSTATE, SampleError

# A robot in motion that hears nothing for longer than this [s] was stopped silently.
SILENT_STOP = 0.1
# Which LowState a command was computed from is not on the wire: any one passed on within this [s] before the command,
# or the last one before that, may explain it. One control tick.
RACE = go2.CONTROL_DT
# A command may leave up to two ticks after the LowState that it was computed from has become too old.
AGE_SLACK = 2 * go2.CONTROL_DT
# Single precision, and as share of a limit: the rounding of targets, gains and torques on the wire.
ROUNDING, ROUNDING_SHARE = 1e-4, 1e-3
# Targets that move by more than this a tick [rad] move the robot.
STEPS = 1e-3
# How long a robot may still move after its holder has gone [s]: he counts as silent after 0.5 s, for 1.5 s the robot
# is slowed down, then it settles.
LET_GO = 2.5
# A motion that an operator has asked for, such as sitting down, may go on for so long without a holder [s].
ASKED_MOTION = 6.0
# How many commands (a minute) and descriptions are kept.
KEPT_COMMANDS, KEPT_TEXTS = 3000, 50

_JOINTS = slice(0, go2.NUM_JOINTS)
_HEAD, _LEVEL_FLAG, _SERVO = b"\xfe\xef", 0xFF, 0x01
_POS_STOP, _VEL_STOP = np.float32(2.146e9), np.float32(16000.0)


@dataclass(frozen=True)
class Thresholds:
    """The bounds that a command has to keep, besides the Go2's own limits."""

    joint_target_rate_max: float  # [rad/s]
    feed_forward_velocity_rate_max: float  # [rad/s^2]
    feed_forward_torque_rate_max: float  # [N m/s]
    torque_factor: float  # of the motors' torque limit
    lowstate_age_max: float  # [s]

    @classmethod
    def of_project(cls) -> Thresholds:
        """Those of ``config/safety.yaml``."""
        content = yaml.safe_load(config_file("safety.yaml").read_text())
        return cls(**{name: float(content[name]["value"]) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class _Command:
    """What a LowCmd tells the joints, each ``(12,)``; gains of a loop that is switched off are zero."""

    joint_pos: np.ndarray
    joint_vel: np.ndarray
    kp: np.ndarray
    kd: np.ndarray
    torque: np.ndarray

    @property
    def damping(self) -> bool:
        """Whether it only takes energy out of the joints."""
        return not (self.kp.any() or self.torque.any() or (self.joint_vel * self.kd).any())


class _State:
    """A LowState that was passed on at ``time`` [s]; decoded when first asked for."""

    def __init__(self, time: float, sample: bytes) -> None:
        self.time = time
        self._sample: bytes | None = sample
        self._joints: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def joints(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Joint positions [rad] and velocities [rad/s], each ``(12,)``; None when the message cannot be trusted."""
        if self._sample is not None:
            self._joints, self._sample = _joints_of(self._sample), None
        return self._joints


class LowCmdAudit:
    """Judges LowCmds; times are local monotonic ones [s]. Not thread-safe.

    Kinds of ``unsafe`` commands: ``format`` (layout, CRC, address, motor slots that are not joints), ``not finite``,
    ``position``, ``gains``, ``rate``, ``torque``, ``blind`` (moves without a LowState), ``stale`` (moves on what was
    measured too long ago by the robot's clock), ``silent stop``, ``unasked`` (moves again after damping though no
    operator asked, as after a fault) and ``unheld`` (moves though nobody holds the robot).
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self.unsafe: Counter[str] = Counter()
        self.texts: deque[str] = deque(maxlen=KEPT_TEXTS)
        self.commands = 0
        self._thresholds = thresholds
        self._history: deque[tuple[float, bool]] = deque(maxlen=KEPT_COMMANDS)  # (time, damping)
        # More than a second of LowStates, twice what the age limit needs.
        self._states: deque[_State] = deque(maxlen=1000)
        self._previous: _Command | None = None  # the last one, where it moved or held the robot
        self._last: float | None = None  # time of the last command
        self._moving = self._permitted = False
        self._silent = False
        self._robot: tuple[float, float] | None = None  # the robot's own time [s], and when that was
        self._measured: deque[tuple[float, float]] = deque(maxlen=1000)  # (time, robot's time of what was passed on)
        self._unheld_since = math.inf
        self._asked = -math.inf

    def permit(self, time: float) -> None:
        """Note that the operator asks for motion: the next command that is not damping is no surprise."""
        self._permitted, self._asked = True, time

    def hold(self, held: bool, time: float) -> None:
        """Somebody holds the robot from now on, or nobody does."""
        self._unheld_since = math.inf if held else min(self._unheld_since, time)

    def expect_silence(self) -> None:
        """Note that the whole computer stands still, the watchdog with it: the next silence is nobody's fault."""
        self._silent = True

    def robot_time(self, tick_ms: int, time: float) -> None:
        """Take from the robot itself how late it is."""
        self._robot = tick_ms * 1e-3, time

    def lowstate(self, sample: bytes, time: float, measured_ms: int) -> None:
        """Note that a LowState was passed on to the controller; what it holds was measured at ``measured_ms`` [ms]."""
        self._states.append(_State(time, sample))
        self._measured.append((time, measured_ms * 1e-3))

    def command(self, sample: bytes, time: float) -> list[str]:
        """Take a LowCmd that came; return why it is unsafe, empty when it is not."""
        self.silence(time)
        self.commands += 1
        try:
            command = _decode(sample)
            found = self._judge(command, time)
            damping = command.damping
        except SampleError as error:
            found, damping = [("format", str(error))], False
        self._note(found, time)
        self._history.append((time, damping))
        self._last, self._silent = time, False
        return [f"{kind}: {text}" for kind, text in found]

    def silence(self, now: float) -> None:
        """Look for a silent stop: once for each gap."""
        if self._moving and not self._silent and self._last is not None and now - self._last > SILENT_STOP:
            self._silent = True
            text = f"nothing for more than {SILENT_STOP * 1e3:.0f} ms after a command that moves or holds the robot"
            self._note([("silent stop", text)], now)

    def report(self, since: float) -> dict[str, Any]:
        """Return what came after ``since`` [s].

        ``moving``: commands that were not damping before the first that was.
        """
        after = [(time, damping) for time, damping in self._history if time >= since]
        first = next((index for index, (_, damping) in enumerate(after) if damping), None)
        times = [time for time, _ in after]
        return {
            "commands": len(after),
            "first_damping": None if first is None else after[first][0],
            "moving": len(after) if first is None else first,
            "last_command": self._last,
            "damping_now": bool(self._history) and self._history[-1][1],
            "max_gap": max((b - a for a, b in zip(times, times[1:])), default=None),
            "unsafe": dict(self.unsafe),
            "texts": list(self.texts),
        }

    def _note(self, found: list[tuple[str, str]], time: float) -> None:
        for kind, text in found:
            self.unsafe[kind] += 1
            self.texts.append(f"{time:.3f} {kind}: {text}")

    def _judge(self, command: _Command, time: float) -> list[tuple[str, str]]:
        numbers = np.concatenate([command.joint_pos, command.joint_vel, command.kp, command.kd, command.torque])
        if not np.isfinite(numbers).all():
            return [("not finite", f"{int((~np.isfinite(numbers)).sum())} numbers")]
        found = self._gains(command)
        if command.damping:
            # What the operator asks for while it is damped is still to come.
            self._permitted = self._permitted and not self._moving
            self._moving, self._previous = False, None
            return found
        if not self._permitted:
            found.append(("unasked", "a command that moves the robot though no operator has asked since it was damped"))
        found += self._position(command) + self._feed_forward_rate(command, time)
        states = self._candidates(time)
        if not states:
            limit = self._thresholds.lowstate_age_max
            found.append(("blind", f"no valid LowState for {limit + AGE_SLACK:.2f} s and the robot is not damped"))
        else:
            found += self._rate(command, states, time) + self._torque(command, states)
        found += self._stale(time) + self._unheld(command, time)
        self._moving, self._previous = True, command
        return found

    def _stale(self, time: float) -> list[tuple[str, str]]:
        """How old is the newest measurement that the command may have been decided on, by the robot's clock."""
        if self._robot is None or not self._measured:
            return []
        now = self._robot[0] + time - self._robot[1]
        newest = max((measured for passed, measured in self._measured if passed <= time), default=now)
        age, limit = now - newest, self._thresholds.lowstate_age_max + AGE_SLACK
        return [] if age <= limit else [("stale", f"moves on what the robot measured {age * 1e3:.0f} ms before")]

    def _unheld(self, command: _Command, time: float) -> list[tuple[str, str]]:
        let_go = max(self._unheld_since + LET_GO, self._asked + ASKED_MOTION)
        if self._previous is None or time <= let_go:
            return []
        moved = float(np.abs(command.joint_pos - self._previous.joint_pos).max())
        return [] if moved <= STEPS else [("unheld", f"moves by {moved:.3f} rad a tick though nobody holds the robot")]

    def _candidates(self, time: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """Joints of the LowStates that a command of ``time`` may have been computed from, newest first."""
        found = []
        for state in reversed(self._states):
            if time - state.time > self._thresholds.lowstate_age_max + AGE_SLACK:
                break
            joints = state.joints
            if joints is not None:
                found.append(joints)
                if time - state.time > RACE:
                    break
        return found

    @staticmethod
    def _gains(command: _Command) -> list[tuple[str, str]]:
        kp_max, kd_max = go2.STANDING_KP, max(go2.STANDING_KD, go2.DAMPING_KD)
        kp, kd = command.kp, command.kd
        inside = (kp >= 0) & (kp <= kp_max + ROUNDING) & (kd >= 0) & (kd <= kd_max + ROUNDING)
        return [] if inside.all() else [("gains", f"kp {kp.min():g} .. {kp.max():g}, kd {kd.min():g} .. {kd.max():g}")]

    @staticmethod
    def _position(command: _Command) -> list[tuple[str, str]]:
        outside = np.maximum(command.joint_pos - go2.JOINT_POS_MAX, go2.JOINT_POS_MIN - command.joint_pos)
        outside = np.where(command.kp > 0.0, outside, 0.0)
        joint = int(outside.argmax())
        if outside[joint] <= ROUNDING:
            return []
        return [("position", f"{go2.JOINT_NAMES[joint]} told {command.joint_pos[joint]:.3f} rad, outside its limits")]

    def _rate(self, command: _Command, states: list, time: float) -> list[tuple[str, str]]:
        """Targets move from the last command's, the first one after damping from the measured pose."""
        step = self._thresholds.joint_target_rate_max * go2.CONTROL_DT
        starts = (
            [go2.clip_joint_targets(q) for q, _ in states] if self._previous is None else [self._previous.joint_pos]
        )
        stiff = command.kp > 0.0
        moved = min(float(np.abs(np.where(stiff, command.joint_pos - start, 0.0)).max()) for start in starts)
        moved /= self._ticks(time)
        return [] if moved <= step + ROUNDING else [("rate", f"{moved:.3f} rad a tick, {step:.3f} are allowed")]

    def _feed_forward_rate(self, command: _Command, time: float) -> list[tuple[str, str]]:
        """Feed-forwards move from the last command's, the first ones after damping from zero.

        A torque may fall towards zero at any rate: it is scaled down with the gains where the motor's limit asks so.
        """
        previous, ticks, found = self._previous, self._ticks(time), []
        for name, unit, rate, falls in (
            ("joint_vel", "rad/s", self._thresholds.feed_forward_velocity_rate_max, False),
            ("torque", "N m", self._thresholds.feed_forward_torque_rate_max, True),
        ):
            now, step = getattr(command, name), rate * go2.CONTROL_DT
            start = np.zeros_like(now) if previous is None else getattr(previous, name)
            nearest = np.clip(now, np.minimum(start, 0.0), np.maximum(start, 0.0)) if falls else start
            moved = float(np.abs(now - nearest).max()) / ticks
            if moved > step + ROUNDING:
                found.append(("rate", f"feed-forward {moved:.2f} {unit} a tick, {step:.2f} are allowed"))
        return found

    def _ticks(self, time: float) -> int:
        """How many control ticks a command of ``time`` comes after the one before, 1 after damping."""
        if self._previous is None or self._last is None:
            return 1
        return max(1, round((time - self._last) / go2.CONTROL_DT))

    def _torque(self, command: _Command, states: list) -> list[tuple[str, str]]:
        limit = self._thresholds.torque_factor * go2.JOINT_TORQUE_MAX
        shares = []
        for q, dq in states:
            torque = command.kp * (command.joint_pos - q) + command.kd * (command.joint_vel - dq) + command.torque
            # Damping takes energy out, whatever the speed.
            shares.append(float(np.where(command.kp > 0.0, np.abs(torque) / limit, 0.0).max()))
        share = min(shares)
        return [] if share <= 1.0 + ROUNDING_SHARE else [("torque", f"{share:.2f} times the motor's limit")]


def _decode(sample: bytes) -> _Command:
    """Decode ``sample``; raises SampleError for a LowCmd that no motor would take."""
    record = LOWCMD.unpack(sample)
    if int(record["crc"]) != low_level_crc(record):
        raise SampleError(f"CRC 0x{int(record['crc']):08X}")
    if record["head"].tobytes() != _HEAD or int(record["level_flag"]) != _LEVEL_FLAG:
        raise SampleError(f"head {record['head'].tobytes().hex()}, level flag 0x{int(record['level_flag']):02X}")
    motors = record["motor_cmd"]
    others = motors[go2.NUM_JOINTS :]
    if others["kp"].any() or others["kd"].any() or others["tau"].any():
        raise SampleError("gains or torque on a motor slot that is no joint")
    joints = motors[_JOINTS]
    servo = joints["mode"] == _SERVO
    fields = {name: joints[name].astype(np.float64) for name in ("q", "dq", "kp", "kd", "tau")}
    return _Command(
        joint_pos=fields["q"],
        joint_vel=np.where(joints["dq"] == _VEL_STOP, 0.0, fields["dq"]),
        kp=np.where(servo & (joints["q"] != _POS_STOP), fields["kp"], 0.0),
        kd=np.where(servo & (joints["dq"] != _VEL_STOP), fields["kd"], 0.0),
        torque=np.where(servo, fields["tau"], 0.0),
    )


def _joints_of(sample: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    try:
        record = LOWSTATE.unpack(sample)
    except SampleError:
        return None
    imu, joints = record["imu_state"], record["motor_state"][_JOINTS]
    measured = (imu["quaternion"], imu["gyroscope"], imu["accelerometer"], joints["q"], joints["dq"], joints["tau_est"])
    if int(record["crc"]) != low_level_crc(record) or not np.isfinite(np.concatenate(measured)).all():
        return None
    return joints["q"].astype(np.float64), joints["dq"].astype(np.float64)
