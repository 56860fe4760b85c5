"""Which planner an experiment walks with, and what it refuses in words."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation.experiment import Experiment
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.diffusion_mpc.planner import NAME as DIFFUSION_MPC
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.planners.registry import best_level

# Options of sampling that any planner with a setting of that name gets.
SET_IN_ALL = ("candidates", "guidance_scale", "survivors", "seed")


@dataclass(frozen=True, kw_only=True)
class PlannerExperiment(Experiment):
    """An experiment that walks under a planner; ``needs``: settings that the planner must have."""

    needs: ClassVar[tuple[str, ...]] = ()

    planner: str = DIFFUSION_MPC
    """A name of planners/registry.py, or MODULE:FUNCTION of one's own, which has its settings from config/planner.yaml;
    what is said here of artefact, sampling and inference is that of diffusion_mpc."""
    artefact: str = "go2"
    """Model artefact: its name in models/, or a path to its folder."""
    threads: int = 2
    """Threads of the simulator and of the planner."""

    @cached_property
    def loaded(self) -> Prior:
        """The artefact of diffusion_mpc; raises :class:`ConfigurationError` for another planner, which has none."""
        if self.planner != DIFFUSION_MPC:
            raise ConfigurationError(
                f"{self.command} needs the denoising of the planner {DIFFUSION_MPC!r}, which {self.planner!r} lacks"
            )
        return load(model_folder(self.artefact))

    @cached_property
    def horizon(self) -> int:
        """Of the plans."""
        if self.planner == DIFFUSION_MPC:
            return self.loaded.description.horizon
        return bringup.load_settings("planner", self.planner)[0].horizon

    @cached_property
    def identity(self) -> str:
        """Hash of what is planned with."""
        return self.loaded.identity if self.planner == DIFFUSION_MPC else self.make_planner(0, 1).identity

    def make_planner(
        self,
        delay: int,
        replan: int,
        sampling: SamplingOptions | None = None,
        *,
        hold_committed: bool = True,
        backend: str = "onnxruntime",
        precision: str = "f32",
    ) -> Planner:
        """Return the planner at D = ``delay`` and R = ``replan`` (0: the paper's H - D).

        Raises :class:`ConfigurationError` for another planner that lacks what the experiment compares.
        """
        if self.planner == DIFFUSION_MPC:
            timing = timing_of(self.loaded.description.horizon, delay, replan)
            options = sampling or SamplingOptions()
            config = DiffusionMpcConfig(timing, options, hold_committed, self.threads, backend, precision)
            return DiffusionMpcPlanner(self.loaded, config)
        planning, own = bringup.load_settings("planner", self.planner)
        names = [field.name for field in fields(own)]
        missing = [name for name in self.needs if name not in names]
        if missing:
            raise ConfigurationError(
                f"{self.command} compares planners by {', '.join(self.needs)}: {self.planner!r} has no setting "
                f"{', '.join(missing)}; it has {', '.join(names) or 'none'}"
            )
        if sampling is not None and self.needs:
            own = replace(own, **{name: getattr(sampling, name) for name in SET_IN_ALL if name in names})
        return best_level(self.planner, own, timing_of(planning.horizon, delay, replan))

    def head_of(self, *names: str, **more: Any) -> dict[str, Any]:
        """Return the head with these options in its ``config``, and the planner where it is another one."""
        config = {name: getattr(self, name) for name in names}
        other = {} if self.planner == DIFFUSION_MPC else {"planner": self.planner}
        return {"artefact": self.identity, "config": {**config, **other, **more}}


def timing_of(horizon: int, delay: int, replan: int) -> Timing:
    """H, D and R; ``replan`` 0 stands for the paper's R = H - D."""
    return Timing(horizon, delay, replan or horizon - delay)
