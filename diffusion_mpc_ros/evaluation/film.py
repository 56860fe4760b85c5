"""A film of what presets do: the same walk side by side, each robot given another preset on the way.

All robots start with the same planner, noise and velocity command, without a reward. After `--before` seconds each is
given its preset, ramped as the composer does it. Under its name stand the means of the last second: base height, pitch
(nose down is positive), mechanical power and step frequency. What changes most is marked, with its change. The format
follows from the output's name: .webp or .gif.

examples:
  diffusion-mpc evaluate film
  diffusion-mpc evaluate film --presets none low balance --speed 0.7 --output walk.gif
  diffusion-mpc evaluate film --presets none energy+posture_negative --size 480 300 --seconds 8
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DEFAULT_JOINT_POS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.rotations import projected_gravity
from diffusion_mpc_ros.core.types import JointCommand, Timing
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation.film_frame import FORMATS, Caption, frame, reduced, write_film
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
from diffusion_mpc_ros.policies.objectives import make_composer
from diffusion_mpc_ros.simulation.model import ModelOptions
from diffusion_mpc_ros.simulation.render import OffscreenCamera
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose

# Getting up to speed, before the film begins [s].
SETTLING = 2.0
# What stands in a caption is the mean over so long [s]: a few cycles of the trot.
WINDOW = 1.0
# A picture every so many control ticks.
PERIOD = 3
# Drawn so many times larger, then reduced: smooth edges, for half the time of several samples a pixel.
SUPERSAMPLING = 2
DEGREES = "\u00b0"
# What one begins to see: of height [m] and pitch [rad]; of power and step frequency, as shares.
SEEN = 0.01, math.radians(1.0), 0.1, 0.04
# Of a robot that stands [W, Hz].
TINY = 1e-3
CAMERA = {"azimuth": 105.0, "elevation": -11.0, "distance": 1.25, "level": 0.26, "samples": 0, "shadow_size": 1024}


@dataclass(frozen=True)
class FilmConfig:
    """Which presets, how fast, how large."""

    presets: tuple[str, ...] = ("none", "low", "posture_positive", "posture_negative", "energy", "quick_steps")
    """Presets of config/rewards.yaml, a picture for each; several at once: FIRST+SECOND."""
    speed: float = 0.5
    """Velocity command forwards [m/s]."""
    before: float = 1.0
    """How long the robots walk without a reward [s]."""
    seconds: float = 6.0
    """How long the film is [s]."""
    size: tuple[int, int] = (320, 200)
    """Width and height of each picture [pixels]."""
    columns: int = 3
    """Pictures side by side."""
    quality: int = 60
    """Of a WebP, 1 to 100."""
    artefact: str = "go2"
    """Model artefact: its name in models/, or a path to its folder."""
    seed: int = 0
    """Of the planner's noise."""
    output: Path = Path("docs/film.webp")
    """Where the film goes."""

    def __post_init__(self) -> None:
        if not self.presets or self.columns < 1:
            raise ConfigurationError(f"presets {self.presets} and columns {self.columns}: at least one is needed")
        composer = make_composer()
        for preset in self.presets:
            composer.preset_settings(preset)
        if not 0.0 <= self.before < self.seconds <= 60.0:
            raise ConfigurationError(
                f"before {self.before} and seconds {self.seconds} s: 0 <= before < seconds <= 60 s is needed"
            )
        if not (math.isfinite(self.speed) and abs(self.speed) <= 1.0):
            raise ConfigurationError(f"speed {self.speed} m/s must be in [-1, 1] m/s")
        if min(self.size) < 64 or max(self.size) > 1920:
            raise ConfigurationError(f"size {self.size} must be 64 to 1920 pixels each way")
        if not 1 <= self.quality <= 100:
            raise ConfigurationError(f"quality {self.quality} must be in [1, 100]")
        if self.output.suffix not in FORMATS:
            raise ConfigurationError(f"output {self.output} must end in {' or '.join(FORMATS)}")


def main(config: FilmConfig) -> None:
    """Walk, draw, write."""
    config.output.parent.mkdir(parents=True, exist_ok=True)
    prior = load(model_folder(config.artefact))
    bar = tqdm(total=len(config.presets) * _ticks(config.seconds + SETTLING), unit="tick", desc="film")
    with bar:
        walks = [Walk.of(config, prior, preset, bar) for preset in config.presets]
    frames = [
        frame([(walk.pictures[index], walk.caption(index)) for walk in walks], config.columns)
        for index in range(len(walks[0].pictures))
    ]
    write_film(config.output, frames, PERIOD * CONTROL_DT, config.quality)
    size = config.output.stat().st_size / 1e6
    print(f"{config.output}: {len(frames)} pictures, {config.seconds:g} s, {size:.2f} MB")


@dataclass
class Walk:
    """Pictures ``(height, width, 3)``, and of every tick what :func:`_measures` returns ``(ticks, 7)``."""

    preset: str
    pictures: list[np.ndarray]
    measures: np.ndarray
    start: int  # the tick of the first picture
    asked: int  # the tick at which the preset is asked for

    @classmethod
    def of(cls, config: FilmConfig, prior: Prior, preset: str, bar: tqdm) -> Walk:
        """Walk under ``preset`` in lock-step."""
        start, asked = _ticks(SETTLING), _ticks(SETTLING + config.before)
        composer = make_composer()
        # Before its time has come the composer stays at what was before.
        composer.apply(asked * CONTROL_DT, preset=preset)
        sampling = SamplingOptions(seed=config.seed)
        planner = DiffusionMpcPlanner(prior, DiffusionMpcConfig(Timing(), sampling, threads=1))
        controller = AsynchronousController(planner, lambda tick: composer.at(tick * CONTROL_DT))
        simulation = Go2Simulation(ModelOptions(visual=True))
        simulation.reset(Pose.STANDING)
        command, targets = np.array([[config.speed, 0.0, 0.0]]), DEFAULT_JOINT_POS
        pictures, measures = [], []
        width, height = config.size
        large = {"width": SUPERSAMPLING * width, "height": SUPERSAMPLING * height}
        with OffscreenCamera(simulation, **large, **CAMERA) as camera:
            for tick in range(start + _ticks(config.seconds)):
                targets = controller.joint_targets(simulation.robot_state(tick, targets).batched(), command)[0]
                simulation.step_control_tick(JointCommand.position(targets, WALKING_KP, WALKING_KD))
                measures.append(_measures(simulation, targets))
                if tick >= start and (tick - start) % PERIOD == 0:
                    pictures.append(reduced(camera.picture(), config.size))
                bar.update()
        return cls(preset, pictures, np.array(measures), start, asked)

    def caption(self, index: int) -> Caption:
        """What stands on the picture ``index``: the change is counted from what was before the preset."""
        tick = self.start + index * PERIOD + 1
        before, now = self._mean(self.asked), self._mean(tick)
        if tick <= self.asked or self.preset == "none":
            return Caption("no reward", texts(now), -1)
        return Caption(self.preset.replace("_", " "), texts(now, before, self.marked), self.marked)

    @cached_property
    def marked(self) -> int:
        """Which measure has changed most at the end, each by its own :data:`SEEN`; -1: none as much as that."""
        before, end = self._mean(self.asked), self._mean(len(self.measures))
        unit = np.array([1.0, 1.0, *np.maximum(before[2:], TINY)])
        changes = np.abs(end - before) / (SEEN * unit)
        return int(np.argmax(changes)) if changes.max() >= 1.0 else -1

    def _mean(self, tick: int) -> np.ndarray:
        """Height [m], pitch [rad], power [W] and step frequency [Hz] in the time before ``tick``."""
        window = self.measures[max(0, tick - _ticks(WINDOW)) : tick]
        frequency = np.median([step_frequency(thigh) for thigh in window[:, 3:].T])
        return np.array([*window[:, :3].mean(axis=0), frequency])


def texts(now: np.ndarray, before: np.ndarray | None = None, marked: int = -1) -> tuple[str, ...]:
    """Height, pitch, power and step frequency ``(4,)`` in words, the ``marked`` one with its change from ``before``."""
    height, pitch, power, frequency = 100.0 * now[0], math.degrees(now[1]), now[2], now[3]
    words = [f"{height:.1f} cm", f"{round(pitch):+d}{DEGREES}", f"{power:.0f} W", f"{frequency:.1f} Hz"]
    if before is not None and marked >= 0:
        change = now - before
        rise, tilt = f"{100.0 * change[0]:+.1f}", f"{round(math.degrees(change[1])):+d}{DEGREES}"
        power, frequency = (f"{share:+.0%}" for share in change[2:] / np.maximum(before[2:], TINY))
        words[marked] += f" ({(rise, tilt, power, frequency)[marked]})"
    return tuple(words)


def step_frequency(joint_pos: np.ndarray) -> float:
    """Cycles a second [Hz] of a joint's positions ``(ticks,)``, by where it passes its mean upwards; 0 if unknown."""
    above = joint_pos >= joint_pos.mean()
    passed = np.flatnonzero(above[1:] & ~above[:-1])
    return (len(passed) - 1) / ((passed[-1] - passed[0]) * CONTROL_DT) if len(passed) > 1 else 0.0


def _measures(simulation: Go2Simulation, targets: np.ndarray) -> np.ndarray:
    """Base height [m], pitch [rad], nose down positive, mechanical power [W], positions of the thighs (4) [rad]."""
    state = simulation.robot_state(0, targets)
    forward, _, down = projected_gravity(state.base_quat_wxyz)
    power = np.abs(state.joint_torque * state.joint_vel).sum()
    return np.array([state.base_height, math.atan2(forward, -down), power, *state.joint_pos[1::3]])


def _ticks(seconds: float) -> int:
    return round(seconds / CONTROL_DT)
