"""The planner's guided step on the network that is being trained, so that rollouts always use its current weights."""

from __future__ import annotations

import torch

from diffusion_mpc_ros.constraints.registry import coupled, project_box
from diffusion_mpc_ros.diffusion.bound_step import BoundStep, step_arrays
from diffusion_mpc_ros.diffusion.prior import ModelDescription
from diffusion_mpc_ros.training.guided_step import GuidedStep
from diffusion_mpc_ros.training.precision import autocast

CPU = torch.device("cpu")


class TorchSteps:
    """A :class:`StepBackend`: no export between training and rollout, and the same sampler as at run time.

    ``denoiser`` is read at every step: whoever changes its weights changes the plans. ``bfloat16``: of the network
    alone, where the processor computes in it; guidance and sampling stay f32.
    """

    def __init__(
        self,
        denoiser: torch.nn.Module,
        reward_model: torch.nn.Module | None,
        description: ModelDescription,
        bfloat16: bool = False,
    ) -> None:
        self._description = description
        self._step = _EagerStep(
            denoiser, description.normalizer, description.reward_terms, description.x0_clip, reward_model
        )
        self._step.bfloat16 = bfloat16

    def bind(self, batch: int) -> BoundStep:
        """See :class:`StepBackend`."""
        return _TorchStep(self._step, self._description, batch)


class _EagerStep(GuidedStep):
    """The guided step that leaves out what a plan does not need, as the exported graph does by its branches."""

    bfloat16 = False

    def denoise(self, tau, row_features):
        with autocast(CPU, self.bfloat16):
            x0 = super().denoise(tau, row_features)
        return x0.float()

    def gradient_where(self, guided, needed, tau, row_features, reward_weights, parameters):
        if not guided:
            return torch.zeros_like(tau)
        if needed:
            return self.whole_gradient(tau, row_features, self.mean, self.std, reward_weights, parameters)
        return self.analytic_gradient(tau, self.mean, self.std, reward_weights, *parameters)

    def project(self, tau, bounds):
        return super().project(tau, bounds) if coupled(bounds) else project_box(tau, bounds)

    def reward_where(self, ranked, needed, tau, row_features, reward_weights, parameters):
        if not (ranked and reward_weights.any()):
            return tau.new_zeros(tau.shape[0])
        return super().reward_where(ranked, needed, tau, row_features, reward_weights, parameters)


class _TorchStep:
    """See :class:`BoundStep`; the arrays are those that torch reads and writes."""

    def __init__(self, step: GuidedStep, description: ModelDescription, batch: int) -> None:
        self.inputs, self.outputs = step_arrays(description, batch)
        self._step = step
        self._given = [torch.from_numpy(array) for array in self.inputs.values()]

    def run(self) -> None:
        with torch.no_grad():
            for name, value in zip(self.outputs, self._step(*self._given), strict=True):
                self.outputs[name][...] = value.numpy()
