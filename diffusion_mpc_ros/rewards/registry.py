"""The reward terms by name. Adding a term is one function, in :mod:`rewards.terms` or beside it, and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, JOINT_POS_MAX, JOINT_POS_MIN, JOINT_TORQUE_MAX, NUM_JOINTS
from diffusion_mpc_ros.core.parameters import JOINT_POSITIONS, JOINT_RANGE_MAX, JOINT_RANGE_MIN, Parameter
from diffusion_mpc_ros.rewards import leg_terms, terms
from diffusion_mpc_ros.rewards.outcomes import OUTCOMES
from diffusion_mpc_ros.rewards.terms import Array, Parameters, Segment


@dataclass(frozen=True)
class RewardTerm:
    """A term of the composed reward ``R = sum_i weight_i R_i`` (arXiv 2510.04234, IV-B).

    ``sign`` is -1 for a penalty (``R_i <= 0``); a weight lies in ``[min_weight, max_weight]``, in 1/``unit``. The
    upper bounds are about where the shipped model begins to stop walking, or to do what a reward model believes in and
    a robot cannot do (a base on the ground that walks). ``reads``: the names of the outcomes that the term reads.
    ``seldom``: few presets use it; an exported graph works out such terms only where one of them has a weight.
    """

    name: str
    function: Callable[[Segment, Parameters], Array]
    unit: str
    max_weight: float
    description: str
    parameters: tuple[Parameter, ...] = ()
    reads: tuple[str, ...] = ()
    seldom: bool = False
    min_weight: float = 0.0
    default_weight: float = 0.0
    sign: int = -1

    def __post_init__(self) -> None:
        unknown = [name for name in self.reads if name not in OUTCOMES]
        if unknown:
            raise RewardError(
                f"the reward term {self.name!r} reads an unknown outcome {unknown[0]!r}; valid outcomes: "
                f"{', '.join(OUTCOMES)}"
            )

    def __call__(self, segment: Segment, parameters: Parameters) -> Array:
        """``segment`` and parameters by their full names -> ``(N,)``."""
        own = {parameter.name.split(".", 1)[1]: parameters[parameter.name] for parameter in self.parameters}
        return self.function(segment, own)


POSTURE_TARGET = Parameter(
    "posture.target",
    tuple(DEFAULT_JOINT_POS.tolist()),
    tuple(JOINT_POS_MIN.tolist()),
    tuple(JOINT_POS_MAX.tolist()),
    "rad",
    "joint positions to be attracted to",
)
POSTURE_MASK = Parameter("posture.mask", (1.0,) * NUM_JOINTS, 0.0, 1.0, "-", "which joints are attracted, 0 to 1")
ALIGN_DIRECTION = Parameter(
    "align.direction", (0.0, 0.0, -1.0), -1.0, 1.0, "-", "wanted direction of gravity in the base frame"
)
ENERGY_TORQUE_MAX = Parameter(
    "energy.torque_max",
    tuple(JOINT_TORQUE_MAX.tolist()),
    0.0,
    tuple(JOINT_TORQUE_MAX.tolist()),
    "N m",
    "torque at which the motors saturate",
)

BASE_HEIGHT_TARGET = Parameter("base_height.target", (0.27,), 0.15, 0.35, "m", "height of the base above the ground")
FOOT_CLEARANCE = Parameter(
    "foot_lifting.clearance", (0.06,), 0.0, 0.2, "m", "height of the highest foot, mean over the plan, to be reached"
)
STEP_FREQUENCY_TARGET = Parameter(
    "step_frequency.target", (2.2,), 1.5, 3.3, "Hz", "whole cycles of the gait, two diagonal steps each"
)


LEG_SHARE_TARGET = Parameter(
    "leg_share.target", (0.25,), 0.0, 1.0, "-", "small enough a share in the squared joint speeds of all"
)
SOFT_RANGE = (
    *(
        Parameter(f"soft_range.{end}", default, *JOINT_POSITIONS, "rad", f"{name} end of the soft range")
        for end, name, default in zip(("min", "max"), ("lower", "upper"), JOINT_POSITIONS)
    ),
    Parameter("soft_range.strength", (1.0,) * NUM_JOINTS, 0.0, 1.0, "-", "how much each joint counts, 0 to 1"),
)


def _joints(term: str, default: tuple[float, ...] = (1.0,) * NUM_JOINTS) -> Parameter:
    return Parameter(f"{term}.joints", default, 0.0, 1.0, "-", "which joints count, 0 to 1")


def _cost_to_go(name: str, max_weight: float, target: float, what: str) -> RewardTerm:
    """Return the term of one outcome; ``target``: by default about what the most economical gaits of the data cost."""
    unit = OUTCOMES[name].unit
    low_enough = Parameter(f"{name}.target", (target,), 0.0, 1e6, f"{unit} s/m", "low enough, for each m/s commanded")
    return RewardTerm(
        name,
        partial(terms.cost_to_go, name=name),
        unit,
        max_weight,
        f"{what} in the second after the plan, above a target",
        (low_enough,),
        reads=(name,),
    )


_ALL = (
    RewardTerm(
        "posture", terms.posture, "rad^2", 1000.0, "attraction to a joint posture", (POSTURE_TARGET, POSTURE_MASK)
    ),
    RewardTerm(
        "joint_range",
        terms.joint_range,
        "rad^2",
        150.0,
        "joint positions outside a range",
        (JOINT_RANGE_MIN, JOINT_RANGE_MAX),
    ),
    RewardTerm("joint_velocity", terms.joint_velocity, "rad^2/s^2", 0.2, "joint speeds"),
    RewardTerm("joint_acceleration", terms.joint_acceleration, "rad^2/s^4", 2e-4, "joint accelerations"),
    RewardTerm("align", terms.align, "1", 20000.0, "base orientation away from the wanted one", (ALIGN_DIRECTION,)),
    RewardTerm("smooth", terms.smooth, "1", 20.0, "total variation of the base orientation"),
    RewardTerm("energy", terms.energy, "J", 3.0, "mechanical work of the joints", (ENERGY_TORQUE_MAX,)),
    RewardTerm(
        "base_height",
        terms.base_height,
        "m^2",
        5e4,
        "base away from a height",
        (BASE_HEIGHT_TARGET,),
        reads=("base_height",),
    ),
    RewardTerm(
        "learned_energy",
        terms.learned_energy,
        "J",
        1.0,
        "mechanical work as a network predicts it",
        reads=("mechanical_power",),
    ),
    RewardTerm(
        "foot_lifting",
        terms.foot_lifting,
        "m^2",
        1e4,
        "feet lifted too little",
        (FOOT_CLEARANCE,),
        reads=("foot_clearance",),
    ),
    RewardTerm(
        "step_frequency",
        terms.step_frequency,
        "Hz^2",
        50.0,
        "steps quicker or slower than a frequency",
        (STEP_FREQUENCY_TARGET,),
        reads=("step_frequency",),
    ),
    RewardTerm(
        "velocity_tracking",
        terms.velocity_tracking,
        "m^2/s^2",
        1500.0,
        "base velocity away from the command",
        reads=("base_lin_vel",),
    ),
    _cost_to_go("joint_velocity_to_go", 0.5, 60.0, "squared joint speeds, summed,"),
    _cost_to_go("joint_acceleration_to_go", 1e-3, 5e4, "squared joint accelerations, summed,"),
    _cost_to_go("energy_to_go", 1.0, 80.0, "mechanical power"),
    _cost_to_go("tilt_to_go", 20000.0, 0.0, "tilt of the base"),
    RewardTerm(
        "leg_excursion",
        leg_terms.leg_excursion,
        "rad^2",
        500.0,
        "how far joints of a leg move",
        (_joints("leg_excursion"),),
        seldom=True,
    ),
    RewardTerm(
        "leg_speed",
        leg_terms.leg_speed,
        "rad^2/s^2",
        5.0,
        "joint speeds of a leg",
        (_joints("leg_speed"),),
        seldom=True,
    ),
    RewardTerm(
        "leg_acceleration",
        leg_terms.leg_acceleration,
        "rad^2/s^4",
        5e-3,
        "joint accelerations of a leg",
        (_joints("leg_acceleration"),),
        seldom=True,
    ),
    RewardTerm(
        "leg_share",
        leg_terms.leg_share,
        "1",
        1000.0,
        "share of a leg in the squared joint speeds of all, above a target",
        (_joints("leg_share", (1.0,) * 3 + (0.0,) * 9), LEG_SHARE_TARGET),
        seldom=True,
    ),
    RewardTerm(
        "soft_range",
        leg_terms.soft_range,
        "rad",
        200.0,
        "joint positions outside a range, far ones no harder",
        SOFT_RANGE,
        seldom=True,
    ),
)
TERMS: dict[str, RewardTerm] = {term.name: term for term in _ALL}


def get_term(name: str) -> RewardTerm:
    """Return the term called ``name``; :class:`RewardError` lists the valid names."""
    if name not in TERMS:
        raise RewardError(f"unknown reward term {name!r}; valid terms: {', '.join(TERMS)}")
    return TERMS[name]


def term_parameters(names: Iterable[str]) -> tuple[Parameter, ...]:
    """All parameters of the terms ``names``, in their order."""
    return tuple(parameter for name in names for parameter in get_term(name).parameters)


def composed_reward(names: Iterable[str], segment: Segment, weights: Array, parameters: Parameters) -> Array:
    """``R_alpha(tau) = sum_i alpha_i R_i(tau)``: ``segment`` of N trajectories, ``weights (n_terms,)`` -> ``(N,)``."""
    values = [weights[i] * get_term(name)(segment, parameters) for i, name in enumerate(names)]
    if not values:
        raise RewardError(f"a composed reward needs at least one term of: {', '.join(TERMS)}")
    return sum(values[1:], values[0])
