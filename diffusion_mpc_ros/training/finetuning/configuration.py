"""The settings of ``diffusion-mpc train finetune`` and ``train scratch``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.policies.conditions import FLAT_CONDITION, TESTED, Condition
from diffusion_mpc_ros.training.action_noise import ActionNoise
from diffusion_mpc_ros.training.collect import GaitRanges
from diffusion_mpc_ros.training.pretrain import CorruptionConfig
from diffusion_mpc_ros.training.velocity_commands import CommandRanges

PLANNER, DEMONSTRATOR, TAKEOVER = "planner", "demonstrator", "takeover"
ACTORS = (PLANNER, DEMONSTRATOR, TAKEOVER)
PAPER, WINDOW, HINDSIGHT = "paper", "window", "hindsight"
RECIPES = (PAPER, WINDOW, HINDSIGHT)


@dataclass(frozen=True)
class ReturnConfig:
    """What a tick is worth, ``(1 - tracking) + tracking exp(-|e|^2 / width)`` and a fall ``fall`` once.

    ``e``: planar velocity error [m/s] and, counted as much as ``yaw_share`` of a m/s, yaw rate error [rad/s], both of
    ``smoothing`` ticks on average: the sway of a trot is no error. A window's return is over ``window`` ticks,
    discounted by ``gamma``.
    """

    tracking: float = 0.7
    width: float = 0.02
    yaw_share: float = 0.5
    smoothing: int = 25
    fall: float = -100.0
    window: int = 50
    gamma: float = 0.97


@dataclass(frozen=True)
class RecipeConfig:
    """How rollouts become training data; ``name``, one of :data:`RECIPES`:

    ``paper`` (IV-C to the letter): the ``top`` trajectories by return over the whole trajectory, weighed by
    ``exp((R - max) / (temperature * spread of R))``, labels as commanded.
    ``window``: for each class of commands, the ``top`` windows by return less a learned value, weighed alike; commands
    in hindsight where the walk was within ``hindsight_within`` [m/s, rad/s] of the command.
    ``hindsight``: all windows alike, every command in hindsight: supervised learning from who is rolled out. Those of
    blocks whose yaw rate sways by more than ``sway`` [rad/s] (:func:`hindsight.sway`) are left out; 10 is no bound.
    """

    name: str = WINDOW
    top: float = 0.3
    temperature: float = 0.5
    hindsight_within: float = 0.25
    sway: float = 10.0

    def __post_init__(self) -> None:
        if self.name not in RECIPES:
            raise ConfigurationError(f"recipe {self.name!r} is none of {', '.join(RECIPES)}")
        if not (0.0 < self.top <= 1.0 and self.temperature > 0.0):
            raise ConfigurationError(
                f"top must be in (0, 1] and temperature above 0, got {self.top}, {self.temperature}"
            )
        if not self.sway > 0.0:
            raise ConfigurationError(f"sway must be above 0 rad/s, got {self.sway}: else nothing counts that moves")


@dataclass(frozen=True)
class TurnRange:
    """How long [ticks, at least, at most] the planner walks a robot, and then the demonstrator."""

    planner: tuple[int, int] = (10, 60)
    demonstrator: tuple[int, int] = (50, 100)

    def __post_init__(self) -> None:
        for name, (shortest, longest) in vars(self).items():
            if not 1 <= shortest <= longest:
                raise ConfigurationError(
                    f"turns.{name} must be [LOW, HIGH] ticks with 1 <= LOW <= HIGH, got {shortest}, {longest}"
                )


@dataclass(frozen=True)
class TrialConfig:
    """The closed-loop evaluation that stops and chooses: every ``interval`` iterations, on seeds of its own.

    ``robots`` for each of ``conditions`` at ``command``, and for each command of ``evaluate walk`` on flat ground,
    ``ticks`` long; best is the largest mean of survival less error in all of them, as long as on flat ground at most a
    share ``survival_bound`` more falls and the error is at most ``error_bound`` [m/s] more than in the beginning. With
    few robots, one that falls now and then refuses what `train gate` would find as safe as before. ``patience``: so
    many trials without a better one end the training.
    """

    interval: int = 10
    robots: int = 12
    ticks: int = 250
    seed: int = 70_001
    command: tuple[float, float, float] = (0.5, 0.0, 0.0)
    conditions: tuple[Condition, ...] = TESTED
    survival_bound: float = 0.0
    error_bound: float = 0.005
    patience: int = 6


@dataclass(frozen=True)
class FinetuneConfig(CorruptionConfig):
    """``diffusion-mpc train finetune``: roll out, weigh, learn, try in closed loop, keep the best.

    ``initial``: the artefact that is finetuned; its normaliser and reward model stay. ``bag``: files of `record` to
    learn from instead of rollouts (:mod:`from_bags`), ``bag_minutes``: from the first so many that are fit;
    ``namespace`` of the robot where they hold several. ``actor``: who is rolled out, ``planner`` (the paper's
    interactive training), ``demonstrator`` (supervised) or ``takeover``, both in ``turns``. ``replay``: datasets of
    `train collect`, a share ``replay_share`` of each batch, with ``relabel_replay`` their commands in hindsight.

    An iteration rolls ``robots`` out for ``ticks`` and takes ``updates`` steps of ``batch`` windows of the last
    ``kept_rollouts`` ones. In the last ``anneal`` of the steps, a share, the learning rate falls to 0. The
    weights that are published lie ``share`` of the way from those of before to the best ones. ``settle_ticks``
    after standing up and ``cut_before_fall`` ticks before a fall nobody learns from. ``guided``: share of the robots
    whose planner has a preset of config/rewards.yaml, drawn from ``presets``, its guidance scale from
    ``guidance_scale``, in ``guided_groups`` groups.

    ``servo``: integral gain [1/tick] by which the demonstrator's command is corrected for what it walks, ``servo_lead``
    [m/s]: what that begins with, uphill, times the sine of the slope; ``gait``: what
    its gaits are drawn from where the ground is not level, but for the conditions named in ``everyday_gait``;
    ``gait_slopes`` [deg]: up to the first it walks slopes in the everyday gait, from the second on in the drawn one, in
    between as far between the two. ``gait_ticks``: how long it settles there. ``bfloat16``
    (:mod:`training.precision`): of networks in training, rollouts and trials; the export is f32.
    """

    initial: str = "go2"
    run_dir: Path = Path("runs/finetune")
    bag: tuple[Path, ...] = ()
    bag_minutes: float | None = None
    namespace: str | None = None
    actor: str = PLANNER
    turns: TurnRange = field(default_factory=TurnRange)
    recipe: RecipeConfig = field(default_factory=RecipeConfig)
    returns: ReturnConfig = field(default_factory=ReturnConfig)
    replay: tuple[Path, ...] = (Path("runs/dataset"), Path("runs/dataset_specialists"), Path("runs/dataset_low"))
    replay_share: float = 0.5
    relabel_replay: bool = True
    conditions: tuple[Condition, ...] = (FLAT_CONDITION,)
    commands: CommandRanges = field(default_factory=CommandRanges)
    noise: ActionNoise = field(default_factory=lambda: ActionNoise(scale=(0.0, 0.4), folding=0.0))
    demonstrator: str = "demonstrator"
    servo: float = 0.03
    servo_lead: float = 0.0
    gait: GaitRanges = field(default_factory=GaitRanges)
    everyday_gait: tuple[str, ...] = ()
    gait_slopes: tuple[float, float] | None = None
    gait_ticks: int = 50
    guided: float = 0.25
    guided_groups: int = 2
    presets: tuple[str, ...] = ("joint_velocity", "joint_acceleration", "balance", "energy", "height")
    guidance_scale: tuple[float, float] = (0.0, 1.0)
    robots: int = 192
    ticks: int = 200
    settle_ticks: int = 10
    cut_before_fall: int = 15
    kept_rollouts: int = 4
    iterations: int = 60
    updates: int = 100
    batch: int = 512
    learning_rate: float = 1e-4
    anneal: float = 0.0
    share: float = 1.0
    weight_decay: float = 1e-4
    ema: float = 0.995
    seed: int = 21
    threads: int = 1
    bfloat16: bool = True
    checkpoint_minutes: float = 1.0
    walk_starts: float = 0.05
    trial: TrialConfig = field(default_factory=TrialConfig)

    def __post_init__(self) -> None:
        if self.actor not in ACTORS:
            raise ConfigurationError(f"actor {self.actor!r} is none of {', '.join(ACTORS)}")
        for name in ("robots", "ticks", "iterations", "updates", "batch", "kept_rollouts", "guided_groups"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.gait_slopes is not None and not 0.0 <= self.gait_slopes[0] < self.gait_slopes[1]:
            raise ConfigurationError(f"gait_slopes must be 0 <= LOW < HIGH degrees, got {self.gait_slopes}")
        unknown = sorted(set(self.everyday_gait) - {condition.name for condition in self.conditions})
        if unknown:
            raise ConfigurationError(
                f"everyday_gait names {', '.join(unknown)}; the conditions are "
                f"{', '.join(condition.name for condition in self.conditions)}"
            )
        if self.bag_minutes is not None and not 0.0 < self.bag_minutes < float("inf"):
            raise ConfigurationError(f"bag_minutes {self.bag_minutes} is not a positive time")
        if not 0.0 <= self.replay_share < 1.0 or not 0.0 <= self.guided <= 1.0 or not 0.0 <= self.anneal <= 1.0:
            raise ConfigurationError(
                "replay_share must be in [0, 1), guided and anneal in [0, 1], "
                f"got {self.replay_share}, {self.guided}, {self.anneal}"
            )
        if not 0.0 < self.share <= 1.0:
            raise ConfigurationError(f"share must be in (0, 1], got {self.share}: at 0 nothing learned is published")
