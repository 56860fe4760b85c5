"""One guided reverse step of Algorithm 1 (arXiv 2510.04234, IV-A) in torch: the reference that is exported to ONNX."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from diffusion_mpc_ros.constraints.kind import Units
from diffusion_mpc_ros.constraints.registry import known_bounds, project
from diffusion_mpc_ros.core.trajectory import FIELDS, fields_of
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.prior import STEP_INPUTS
from diffusion_mpc_ros.rewards.predictions import PREDICTIONS, outcomes_of
from diffusion_mpc_ros.rewards.registry import composed_reward, get_term, term_parameters
from diffusion_mpc_ros.rewards.terms import Segment


class NoRewardModel(nn.Module):
    """Stands where no term needs a prediction: predicts zeros."""

    def forward(self, tau, row_features):
        """``tau (B, T, 57)`` -> ``(B, P)``."""
        return tau.new_zeros((tau.shape[0], len(PREDICTIONS)))


class GuidedStep(nn.Module):
    """Reverse step, reward planning, projection, known entries put back, reward of the result.

    ``denoiser``: ``(tau (B, T, 57) normalised, row_features (B, T, 3)) -> x0 (B, T, 57)``.
    ``terms``: names of the reward terms, the order of ``reward_weights``.
    ``x0_clip``: bound on the normalised prediction of the clean trajectory.
    ``reward_model``: the same inputs ``-> (B, P)``, the :data:`rewards.predictions.PREDICTIONS` in physical units.
    """

    def __init__(
        self,
        denoiser: nn.Module,
        normalizer: Normalizer,
        terms: Sequence[str],
        x0_clip: float = 5.0,
        reward_model: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.reward_model = NoRewardModel() if reward_model is None else reward_model
        self.normalizer, self.terms = normalizer, tuple(terms)
        self.composed_terms = self.terms
        self.parameter_names = tuple(parameter.name for parameter in term_parameters(self.terms))
        self.bound_names = tuple(known_bounds())
        self.x0_clip = x0_clip
        self.register_buffer("mean", torch.tensor(normalizer.mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(normalizer.std, dtype=torch.float32))
        predicts = [bool(get_term(name).reads) for name in self.terms]
        self.register_buffer("predicts", torch.tensor(predicts), persistent=False)

    def denoise(self, tau, row_features):
        """Return the clean trajectories that the denoiser sees in ``tau (B, T, 57)`` at ``row_features (T, 3)``."""
        return self.denoiser(tau, _of_every(row_features, tau)).clamp(-self.x0_clip, self.x0_clip)

    def reverse(self, x0, tau, transition, noise):
        """Line 4: ``x0``, ``tau (B, T, 57)``, ``transition (T, 4)`` -> ``tau (B, T, 57)``."""
        c_x0, c_tau, sigma = (transition[:, i : i + 1] for i in range(3))
        return c_x0 * x0 + c_tau * tau + sigma * noise

    def predict(self, tau, row_features, model_parameters=None):
        """Return what the reward model predicts of ``tau (B, T, 57)`` at levels ``row_features (T, 3)``: ``(B, P)``.

        ``model_parameters``: by name, in the place of the model's own.
        """
        inputs = tau, _of_every(row_features, tau)
        if model_parameters is None:
            return self.reward_model(*inputs)
        return torch.func.functional_call(self.reward_model, model_parameters, inputs)

    def reward(self, tau, mean, std, predicted, reward_weights, *parameters):
        """``R_alpha`` of a normalised ``tau (B, T, 57)`` of which ``predicted (B, P)`` is known: ``(B,)``."""
        return self._compose(Segment.of(tau * std + mean, outcomes_of(predicted)), reward_weights, parameters)

    def _compose(self, segment, reward_weights, parameters):
        # The weights split: one operator in ONNX, where an index for each term would be one for each.
        weights = dict(zip(self.terms, torch.split(reward_weights, 1)))
        named = dict(zip(self.parameter_names, parameters))
        return composed_reward(self.composed_terms, segment, [weights[name] for name in self.composed_terms], named)

    def of_terms(self, names):
        """Return the same step, of the same inputs, whose reward is composed of the terms ``names`` alone."""
        part = copy.copy(self)
        part.composed_terms = tuple(names)
        return part

    def reward_gradient(self, tau, mean, std, predicted, reward_weights, *parameters):
        """Gradients of the reward with respect to the normalised ``tau (B, T, 57)`` and to ``predicted (B, P)``.

        Zero in the last row, and in the commands, which are known and put back whatever the gradient. Taken with
        respect to the fields and put together once: through slices of ``tau`` every term would add an array of full
        size.
        """
        fields = fields_of((tau * std + mean)[:, :-1, :])
        command = fields.pop("command")

        def total(predicted, *free):
            segment = Segment(command=command, **dict(zip(fields, free)), outcomes=outcomes_of(predicted))
            return self._compose(segment, reward_weights, parameters).sum()

        by_prediction, *by_field = torch.func.grad(total, tuple(range(len(fields) + 1)))(predicted, *fields.values())
        gradients = {**dict(zip(fields, by_field)), "command": torch.zeros_like(command)}
        joined = torch.cat([gradients[name] for name in FIELDS], dim=-1)
        return torch.nn.functional.pad(joined, (0, 0, 0, 1)) * std, by_prediction

    def analytic_gradient(self, tau, mean, std, reward_weights, *parameters):
        """Return the reward's gradient ``(B, T, 57)`` where no term with a weight needs the reward model."""
        nothing = tau.new_zeros((tau.shape[0], len(PREDICTIONS)))
        return self.reward_gradient(tau, mean, std, nothing, reward_weights, *parameters)[0]

    def whole_gradient(self, tau, row_features, mean, std, reward_weights, parameters, model_parameters=None):
        """Return the reward's gradient ``(B, T, 57)``, the part that goes through the reward model included.

        What the model computes on the way to its prediction is kept for the way back.
        """
        predicted, pull_back = torch.func.vjp(lambda x: self.predict(x, row_features, model_parameters), tau)
        gradient, by_prediction = self.reward_gradient(tau, mean, std, predicted, reward_weights, *parameters)
        return gradient + pull_back(by_prediction)[0]

    def reads_predictions(self, reward_weights):
        """Whether a term with a weight needs the reward model, ``()`` bool."""
        return (self.predicts & (reward_weights != 0.0)).any()

    def guide(self, tau, gradient, transition, guidance_scale):
        """Line 5: ``tau + lambda Sigma_k grad R``, no entry further than the standard deviation of the step's noise.

        A gradient step beyond the curvature of R overshoots and grows: so a large weight saturates instead.
        """
        variance = transition[:, 3:4]
        bound = torch.sqrt(variance)
        return tau + torch.minimum(torch.maximum(guidance_scale * variance * gradient, -bound), bound)

    def project(self, tau, bounds):
        """Line 6: ``tau (B, T, 57)`` into the sets of ``bounds``, by name, in units of the normaliser."""
        fields = project(fields_of(tau), bounds, Units(self.mean, self.std))
        return torch.cat([fields[name] for name in FIELDS], dim=-1)

    def forward(self, *inputs):
        """-> ``tau_next (B, T, 57)`` normalised, ``trajectory (B, T, 57)`` physical, ``reward (B,)``.

        ``inputs``: those of :data:`diffusion.prior.STEP_INPUTS`, the bounds, then the reward parameters.
        What is known is put in before the reward is read, too: its gradient then follows from the true first row.
        ``reward`` is, where ``ranked``, that of the clean trajectories: of the last step's result, and before it of
        what the denoiser expects to come out. Else it is 0.
        """
        given = dict(zip((*STEP_INPUTS, *self.bound_names, *self.parameter_names), inputs, strict=True))
        tau, known, known_mask, transition = (given[name] for name in ("tau", "known", "known_mask", "transition"))
        row_features, next_row_features = given["row_features"], given["next_row_features"]
        reward_weights, parameters = given["reward_weights"], [given[name] for name in self.parameter_names]
        needed = self.reads_predictions(reward_weights)
        guided = (given["guidance_scale"] > 0.0) & (transition[:, 3] > 0.0).any()
        last = (next_row_features[:, 1] <= 0.0).all()
        x0 = self.denoise(tau, row_features)
        tau = torch.where(known_mask, known, self.reverse(x0, tau, transition, given["noise"]))
        gradient = self.gradient_where(guided, needed, tau, next_row_features, reward_weights, parameters)
        tau = self.guide(tau, gradient, transition, given["guidance_scale"])
        tau = self.project(tau, {name: given[name] for name in self.bound_names})
        tau = torch.where(known_mask, known, tau)
        clean = torch.where(last, tau, torch.where(known_mask, known, x0))
        ranked, features = given["ranked"], _of_clean(row_features)
        reward = self.reward_where(ranked, needed, clean, features, reward_weights, parameters)
        return tau, tau * self.std + self.mean, reward

    def gradient_where(self, guided, needed, tau, row_features, reward_weights, parameters):
        """Gradient ``(B, T, 57)`` of the composed reward, zeros where not ``guided``."""
        gradient = self.whole_gradient(tau, row_features, self.mean, self.std, reward_weights, parameters)
        return torch.where(guided, gradient, 0.0)

    def reward_where(self, ranked, needed, tau, row_features, reward_weights, parameters):
        """Composed reward ``(B,)``, zeros where not ``ranked``."""
        predicted = self.predict(tau, row_features)
        return torch.where(ranked, self.reward(tau, self.mean, self.std, predicted, reward_weights, *parameters), 0.0)


def _of_every(row_features, tau):
    """``row_features (T, 3)`` for each of the batch ``tau (B, T, 57)``: ``(B, T, 3)``."""
    return row_features.unsqueeze(0).expand(tau.shape[0], -1, -1)


def _of_clean(row_features):
    """``row_features (T, 3)`` with every row at level 0, its actions as committed as before."""
    committed = row_features[:, 2]
    return torch.stack([torch.ones_like(committed), torch.zeros_like(committed), committed], dim=1)
