"""Diffusion-MPC sampling (arXiv 2510.04234, Algorithm 1) for a batch of robots, with early-step caching (IV-D)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from diffusion_mpc_ros.constraints.kind import Bounds, Units
from diffusion_mpc_ros.constraints.registry import BOX, bounds_in, known_bounds
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError, PlanError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS, clip_joint_targets
from diffusion_mpc_ros.core.settings import Settings, setting
from diffusion_mpc_ros.core.trajectory import (
    ACTION,
    COMMAND,
    JOINT_POS,
    OBSERVATION,
    OBSERVATION_DIM,
    PREVIOUS_ACTION,
    ROW_DIM,
)
from diffusion_mpc_ros.core.types import Candidates
from diffusion_mpc_ros.diffusion.bound_step import BoundStep, StepBackend
from diffusion_mpc_ros.diffusion.prior import ModelDescription
from diffusion_mpc_ros.diffusion.schedule import SAMPLERS

# Candidates are resampled after these shares of the denoising steps: before, they tell too little of what they become;
# after, too little noise is left to make different trajectories of equal ones.
RESAMPLED = (0.4, 0.6, 0.8)
# Random numbers that are drawn at once where they are only passed over.
SEEK_BLOCK = 2**16


@dataclass(frozen=True)
class SamplingOptions(Settings):
    """How to sample; raises :class:`ConfigurationError` for values that make no sense."""

    candidates: int = setting("Candidates N that are sampled and ranked.", 10, low=1, high=256)
    sampler: str = setting("Reverse process.", "ddpm", choices=SAMPLERS)
    steps: int = setting("Denoising steps; strided where fewer than those of the schedule.", 10, low=1, high=100)
    cached_steps: int = setting(
        "Early denoising steps m that the shifted last plan replaces; 0: none.", 0, low=0, high=99
    )
    refresh_ticks: int = setting(
        "With cached steps: a run from noise at least this often.", 50, unit="control ticks", low=1, high=2**31 - 1
    )
    refresh_steps: int = setting("Denoising steps of a run from noise; 0: all.", 0, low=0, high=100)
    command_tolerance: float = setting(
        "With cached steps: a larger change of a component of the command is a run from noise [m/s, rad/s].",
        0.05,
        low=0.0,
        high=1e9,
    )
    noise_scale: float | None = setting(
        "Sampling temperature, a factor on all noise; auto: that of the artefact.", None, low=0.0, high=10.0
    )
    guidance_scale: float = setting("Guidance scale lambda of the reward gradient.", 1.0, low=0.0, high=100.0)
    survivors: float = setting(
        "Share of the candidates, the best ones, that goes on in the place of all where they are resampled; 1: all go "
        "on, as in Algorithm 1.",
        0.25,
        low=0.01,
        high=1.0,
    )
    seed: int = setting("Seed of the sampling noise.", 0, low=0, high=2**31 - 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.cached_steps < self.steps:
            raise ConfigurationError(
                f"cached_steps m = {self.cached_steps} does not fit {self.steps} steps: 0 <= m < steps is needed"
            )
        if not self.refresh_steps <= self.steps:
            raise ConfigurationError(
                f"refresh_steps = {self.refresh_steps} does not fit {self.steps} steps: 0 <= refresh_steps <= steps"
            )

    @property
    def surviving(self) -> int:
        """How many of the candidates go on where they are resampled."""
        return max(1, int(self.survivors * self.candidates))


@dataclass(frozen=True)
class Guidance:
    """What steers the sampling, in the artefact's order of terms.

    ``weights (n_terms,)``; ``parameters`` by full name; ``bounds``: what the T rows may hold, physical.
    ``key`` changes when the operator changes something: cached plans are then refreshed.
    """

    weights: np.ndarray
    parameters: dict[str, np.ndarray]
    bounds: Bounds
    key: Hashable = None


@dataclass(frozen=True)
class Sample:
    """The best candidate of each of B robots."""

    joint_targets: np.ndarray  # (H, B, 12) [rad], within the joint limits
    trajectory: np.ndarray  # (B, T, 57), physical units
    reward: np.ndarray  # (B,)
    denoising_steps: int  # how many ran
    candidates: Candidates  # all that were compared
    proposals: np.ndarray  # (B, N, H, 12) [rad], the joint targets of all of them, not clipped


@dataclass
class _Cache:
    """The last sample, what it was sampled for, and the tick of the last full run."""

    tau: np.ndarray  # (B, T, 57) normalised
    tick: int
    full_run_tick: int
    command: np.ndarray  # (B, 3)
    key: Hashable


@dataclass
class _Steps:
    """A denoising run worked out once: how it starts and the coefficients of each step."""

    signal: np.ndarray  # (T, 1), factor of the cached sample at the start
    noise: np.ndarray  # (T, 1), factor of the noise at the start
    row_features: np.ndarray = field(repr=False)  # (S + 1, T, 3), of the start and after each step
    transitions: np.ndarray = field(repr=False)  # (S, T, 4)
    resampled: np.ndarray  # (S,) bool, whether candidates may be resampled after the step


def resampling_steps(noisy: np.ndarray) -> np.ndarray:
    """After which of S steps candidates are resampled, ``(S,)`` bool; ``noisy (S,)``: which of them add noise.

    After the :data:`RESAMPLED` shares of the steps, where a step with noise follows, without which equal candidates
    stay equal. Not after two steps in a row: a step is judged by what the denoiser saw before the step's own noise.
    """
    resampled = np.zeros(len(noisy), dtype=bool)
    for step in np.rint(np.multiply(RESAMPLED, len(noisy))).astype(np.intp) - 1:
        resampled[step] = noisy[step + 1 :].any() and not resampled[max(step - 1, 0) : step].any()
    return resampled


def _check_bounds(description: ModelDescription) -> None:
    """Raise :class:`ArtefactError` unless the graph has a box, and no sets but those that this version knows."""
    known = {name: bound.size for name, bound in known_bounds().items()}
    needed = {bound.name for bound in BOX.bounds}
    if not (needed <= description.bounds.keys() and description.bounds.items() <= known.items()):
        raise ArtefactError(
            f"the model artefact projects onto sets with the bounds {description.bounds}; this version knows {known} "
            f"and needs {', '.join(sorted(needed))}"
        )


class DiffusionSampler:
    """Samples trajectories with a guided-step backend; keeps the last sample for early-step caching.

    One instance serves one group of B robots at a time; arrays are allocated once per batch size. ``drawn``: random
    numbers drawn from the seed on, by which a sample can be made again (:meth:`seek`). Raises :class:`ArtefactError`
    for a graph that projects onto sets that this version does not know.
    """

    def __init__(self, description: ModelDescription, backend: StepBackend, options: SamplingOptions) -> None:
        _check_bounds(description)
        self.description, self.options = description, options
        self._levels = description.schedule.levels(options.steps)
        self._noise_scale = description.noise_scale if options.noise_scale is None else options.noise_scale
        self._backend = backend
        self._bound: dict[int, BoundStep] = {}
        self._steps: dict[tuple[int, int], _Steps] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the last sample and restart the random numbers from the seed."""
        self._cache: _Cache | None = None
        self._random = np.random.Generator(np.random.SFC64(self.options.seed))
        self.drawn = 0

    def seek(self, drawn: int) -> None:
        """Draw random numbers until so many are drawn, from the seed again where more than that were."""
        if drawn < self.drawn:
            self.reset()
        while self.drawn < drawn:
            self._write_noise(np.empty(min(drawn - self.drawn, SEEK_BLOCK), dtype=np.float32))

    def sample(
        self, tick: int, observation: np.ndarray, committed_actions: np.ndarray | None, guidance: Guidance
    ) -> Sample:
        """Algorithm 1 from ``observation (B, 45)`` of ``tick``, physical units.

        ``committed_actions (d, B, 12)`` [rad]: joint targets already decided for ``tick .. tick + d - 1``, held
        fixed; None for none. Raises :class:`PlanError` when shapes do not fit or the sample is not finite.
        """
        committed = np.zeros((0, len(observation), NUM_JOINTS)) if committed_actions is None else committed_actions
        self._check(observation, committed)
        elapsed = self._elapsed(tick, observation[:, COMMAND], guidance.key)
        full_run_tick = tick if self._cache is None or elapsed < 0 else self._cache.full_run_tick
        steps = self._get_steps(len(committed), elapsed)
        step = self._step(len(observation) * self.options.candidates)
        self._write_known(step.inputs, observation, committed)
        self._write_guidance(step.inputs, guidance)
        self._write_start(step.inputs, steps, elapsed)
        self._cache = None  # stays so when something below fails
        resampled = steps.resampled & (self.options.surviving < self.options.candidates and np.any(guidance.weights))
        for index, transition in enumerate(steps.transitions):
            step.inputs["row_features"][...] = steps.row_features[index]
            step.inputs["next_row_features"][...] = steps.row_features[index + 1]
            step.inputs["transition"][...] = transition
            step.inputs["ranked"][...] = resampled[index] or index == len(resampled) - 1
            if transition[:, 2].any():
                self._write_noise(step.inputs["noise"])
            step.run()
            step.inputs["tau"][...] = step.outputs["tau_next"]
            if resampled[index]:
                self._resample(step.inputs["tau"], step.outputs["reward"])
        reward, trajectory, tau = self._best(step.outputs, len(observation))
        if not (np.isfinite(trajectory).all() and np.isfinite(reward).all()):
            raise PlanError(f"the sample for tick {tick} is not finite; reward weights and parameters are the suspects")
        if self.options.cached_steps:
            self._cache = _Cache(tau, tick, full_run_tick, observation[:, COMMAND].copy(), guidance.key)
        targets = np.moveaxis(trajectory[:, : self.description.horizon, ACTION], 0, 1).astype(np.float64)
        targets[: len(committed)] = committed
        candidates = self._candidates(step.outputs, len(observation))
        proposals = self._per_robot(step.outputs["trajectory"])[:, :, : self.description.horizon, ACTION].copy()
        return Sample(clip_joint_targets(targets), trajectory, reward, len(steps.transitions), candidates, proposals)

    def _check(self, observation: np.ndarray, committed: np.ndarray) -> None:
        if observation.ndim != 2 or observation.shape[1] != OBSERVATION_DIM:
            raise PlanError(f"observation must be (B, {OBSERVATION_DIM}), got {observation.shape}")
        horizon, robots = self.description.horizon, len(observation)
        if len(committed) > horizon or committed.shape[1:] != (robots, NUM_JOINTS):
            raise PlanError(
                f"committed actions must be (d, {robots}, {NUM_JOINTS}) with d <= H = {horizon}, got {committed.shape}"
            )

    def _elapsed(self, tick: int, command: np.ndarray, key: Hashable) -> int:
        """Ticks since the cached sample, or -1 when a full run is needed."""
        cache, options = self._cache, self.options
        if cache is None or options.cached_steps == 0 or cache.key != key or cache.command.shape != command.shape:
            return -1
        elapsed = tick - cache.tick
        if not 0 <= elapsed < self.description.rows or tick - cache.full_run_tick >= options.refresh_ticks:
            return -1
        return -1 if np.abs(command - cache.command).max() > options.command_tolerance else elapsed

    def _get_steps(self, committed: int, elapsed: int) -> _Steps:
        if (committed, elapsed) not in self._steps:
            self._steps[committed, elapsed] = self._make_steps(committed, elapsed)
        return self._steps[committed, elapsed]

    def _make_steps(self, committed: int, elapsed: int) -> _Steps:
        """Levels of every row at every step; warm rows enter at level ``levels[m]``, rows without predecessor at K."""
        schedule, rows, skipped = self.description.schedule, self.description.rows, self.options.cached_steps
        if elapsed < 0:
            refresh = schedule.levels(self.options.refresh_steps or self.options.steps)
            warm, levels = np.zeros(rows, dtype=bool), np.repeat(refresh[:, None], rows, axis=1)
        else:
            warm = np.arange(rows) < rows - elapsed
            cold_levels = schedule.levels(self.options.steps - skipped)
            levels = np.where(warm, self._levels[skipped:, None], cold_levels[:, None])
        flags = (np.arange(rows) < committed).astype(np.float64)
        alpha_bar = schedule.alphas_cumprod[levels[0]]
        transitions = np.stack(
            [schedule.transition(a, b, self.options.sampler) for a, b in zip(levels[:-1], levels[1:])]
        )
        return _Steps(
            signal=(np.sqrt(alpha_bar) * warm)[:, None].astype(np.float32),
            noise=np.where(warm, np.sqrt(1.0 - alpha_bar), 1.0)[:, None].astype(np.float32),
            row_features=np.stack([schedule.row_features(a, flags) for a in levels]).astype(np.float32),
            transitions=transitions.astype(np.float32),
            resampled=resampling_steps(np.any(transitions[:, :, 2], axis=1)),
        )

    def _step(self, batch: int) -> BoundStep:
        if batch not in self._bound:
            self._bound = {batch: self._backend.bind(batch)}
        return self._bound[batch]

    def _per_robot(self, array: np.ndarray) -> np.ndarray:
        """View ``(B * N, T, 57)`` as ``(B, N, T, 57)``."""
        return array.reshape(-1, self.options.candidates, self.description.rows, ROW_DIM)

    def _write_known(self, inputs: dict[str, np.ndarray], observation: np.ndarray, committed: np.ndarray) -> None:
        """Row 0's observation, the command of every row, and the committed actions (and their echo one row later)."""
        count = len(committed)
        mask = inputs["known_mask"]
        mask[...] = False
        mask[0, OBSERVATION], mask[:, COMMAND] = True, True
        mask[:count, ACTION], mask[1 : count + 1, PREVIOUS_ACTION] = True, True
        known = np.zeros((len(observation), 1, self.description.rows, ROW_DIM))
        known[:, 0, 0, OBSERVATION] = observation
        known[:, 0, :, COMMAND] = observation[:, None, COMMAND]
        by_robot = np.moveaxis(committed, 0, 1)
        known[:, 0, :count, ACTION] = by_robot
        known[:, 0, 1 : count + 1, PREVIOUS_ACTION] = by_robot
        self._per_robot(inputs["known"])[...] = self.description.normalizer.normalize(known)

    def _write_guidance(self, inputs: dict[str, np.ndarray], guidance: Guidance) -> None:
        normalizer = self.description.normalizer
        inputs["reward_weights"][...] = guidance.weights
        inputs["guidance_scale"][...] = self.options.guidance_scale if np.any(guidance.weights) else 0.0
        for name in self.description.parameters:
            inputs[name][...] = guidance.parameters[name]
        bounds = bounds_in(guidance.bounds, Units(normalizer.mean, normalizer.std))
        for name in self.description.bounds:
            inputs[name][...] = bounds[name]

    def _write_noise(self, noise: np.ndarray) -> None:
        self._random.standard_normal(out=noise, dtype=np.float32)
        self.drawn += noise.size
        noise *= np.float32(self._noise_scale)

    def _write_start(self, inputs: dict[str, np.ndarray], steps: _Steps, elapsed: int) -> None:
        """Line 2: noise, or the shifted last sample re-noised; known entries put back."""
        tau = inputs["tau"]
        self._write_noise(tau)
        tau *= steps.noise
        if elapsed >= 0 and self._cache is not None:
            warm_rows = self.description.rows - elapsed
            shifted = self._cache.tau[:, None, elapsed:] * steps.signal[:warm_rows]
            self._per_robot(tau)[:, :, :warm_rows] += shifted
        np.copyto(tau, inputs["known"], where=inputs["known_mask"])

    def _resample(self, tau: np.ndarray, reward: np.ndarray) -> None:
        """Put each robot's best candidates in the place of all, each as often as the others, in ``tau (B * N, T, 57)``.

        Selection by truncation among the particles of a sequential Monte Carlo sampler, as in Feynman-Kac steering
        (arXiv 2501.06848): the noise of the steps to come makes them differ again. Survivors keep their order, so that
        nothing depends on which of two equally good ones is the better.
        """
        candidates, count, surviving = self._per_robot(tau), self.options.candidates, self.options.surviving
        ranked = np.argsort(-reward.reshape(-1, count), axis=1, kind="stable")
        chosen = np.sort(ranked[:, :surviving], axis=1)[:, np.arange(count) % surviving]
        candidates[...] = np.take_along_axis(candidates, chosen[:, :, None, None], axis=1)

    def _candidates(self, outputs: dict[str, np.ndarray], batch: int) -> Candidates:
        """Return copies: the arrays of the step are those of the next sample, too."""
        joint_pos = self._per_robot(outputs["trajectory"])[..., JOINT_POS].copy()
        return Candidates(joint_pos, outputs["reward"].reshape(batch, -1).copy())

    def _best(self, outputs: dict[str, np.ndarray], batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Line 9: reward ``(B,)``, trajectory and normalised sample ``(B, T, 57)`` of each robot's best candidate."""
        rewards = outputs["reward"].reshape(batch, -1)
        index = np.arange(batch), np.argmax(rewards, axis=1)
        trajectory, tau = (self._per_robot(outputs[name])[index] for name in ("trajectory", "tau_next"))
        return rewards[index], trajectory, tau
