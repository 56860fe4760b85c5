"""The kinds of artefacts: what files each is made of, and which networks its weights hold.

A new kind is an entry here, and whoever trains and uses it; loading, checking and publishing are the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros.core.errors import ArtefactError

WEIGHTS_FILE = "weights.safetensors"
# Networks by the names that cards, weights and the constants of a graph use.
DENOISER, REWARD_MODEL, ACTOR = "denoiser", "reward_model", "actor"
PROPOSAL_NETWORK, DYNAMICS_NETWORK, VALUE_NETWORK = "proposal", "dynamics", "value"


@dataclass(frozen=True)
class Kind:
    """A kind of artefact.

    ``main``: the file whose SHA-256 is the identity of an artefact. With ``in_card``, where normalisers and whatever
    else decides are said in the card alone, the identity is that of all files and of the card's model part. ``graphs``:
    more that every artefact has; ``variants``: graphs that compute the same, which one may have beside it.
    ``networks``: those of every artefact of the kind, ``optional`` those that one may have.
    """

    name: str
    summary: str
    main: str
    variants: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    graphs: tuple[str, ...] = ()
    in_card: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """The files of every artefact of the kind."""
        return tuple(dict.fromkeys((self.main, *self.graphs, WEIGHTS_FILE)))


PRIOR = Kind(
    "prior",
    "trajectory model of Diffusion-MPC, with its rewards in one graph",
    "model.onnx",
    ("model_int8.onnx",),
    (DENOISER,),
    (REWARD_MODEL,),
)
DEMONSTRATOR = Kind("demonstrator", "policy trained by PPO", "demonstrator.onnx", networks=(ACTOR,))
REWARD = Kind(
    "reward_model", "what rewards read beyond a trajectory", WEIGHTS_FILE, networks=(REWARD_MODEL,), in_card=True
)
PROPOSAL = Kind("proposal", "action proposals of D-MPC", "proposal.onnx", networks=(PROPOSAL_NETWORK,), in_card=True)
DYNAMICS = Kind("dynamics", "dynamics of D-MPC", "dynamics.onnx", networks=(DYNAMICS_NETWORK,), in_card=True)
VALUE = Kind("value", "value and outcomes of D-MPC", "value.onnx", networks=(VALUE_NETWORK,), in_card=True)
D_MPC = Kind(
    "d_mpc",
    "the models of D-MPC: proposals, dynamics, value",
    WEIGHTS_FILE,
    networks=(PROPOSAL_NETWORK, DYNAMICS_NETWORK, VALUE_NETWORK),
    graphs=(PROPOSAL.main, DYNAMICS.main, VALUE.main),
    in_card=True,
)
KINDS = {kind.name: kind for kind in (PRIOR, DEMONSTRATOR, REWARD, PROPOSAL, DYNAMICS, VALUE, D_MPC)}


def get_kind(name: object) -> Kind:
    """Return the kind called ``name``; raises :class:`ArtefactError` listing the kinds."""
    if not isinstance(name, str) or name not in KINDS:
        raise ArtefactError(f"unknown kind of artefact {name!r}; kinds: {', '.join(KINDS)}")
    return KINDS[name]
