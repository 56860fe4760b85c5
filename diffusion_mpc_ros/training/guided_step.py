"""One guided reverse step of Algorithm 1 (arXiv 2510.04234, IV-A) in torch: the reference that is exported to ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.rewards.registry import composed_reward, term_parameters
from diffusion_mpc_ros.rewards.terms import Segment


class GuidedStep(nn.Module):
    """Reverse step, reward planning, projection, known entries put back, reward of the result.

    ``denoiser``: ``(tau (B, T, 57) normalised, row_features (B, T, 3)) -> x0 (B, T, 57)``.
    ``terms``: names of the reward terms, the order of ``reward_weights``.
    ``x0_clip``: bound on the normalised prediction of the clean trajectory.
    """

    def __init__(self, denoiser: nn.Module, normalizer: Normalizer, terms: Sequence[str], x0_clip: float = 5.0) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.terms = tuple(terms)
        self.parameter_names = tuple(parameter.name for parameter in term_parameters(self.terms))
        self.x0_clip = x0_clip
        self.register_buffer("mean", torch.tensor(normalizer.mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(normalizer.std, dtype=torch.float32))

    def reverse(self, tau, row_features, transition, noise):
        """Line 4: ``tau (B, T, 57)``, ``row_features (T, 3)``, ``transition (T, 4)`` -> ``tau (B, T, 57)``."""
        features = row_features.unsqueeze(0).expand(tau.shape[0], -1, -1)
        x0 = self.denoiser(tau, features).clamp(-self.x0_clip, self.x0_clip)
        c_x0, c_tau, sigma = (transition[:, i : i + 1] for i in range(3))
        return c_x0 * x0 + c_tau * tau + sigma * noise

    def reward(self, tau, mean, std, reward_weights, *parameters):
        """``R_alpha`` of a normalised ``tau (B, T, 57)``: ``(B,)``."""
        named = dict(zip(self.parameter_names, parameters))
        return composed_reward(self.terms, Segment.of(tau * std + mean), reward_weights, named)

    def reward_gradient(self, tau, mean, std, reward_weights, *parameters):
        """Gradient of the reward with respect to the normalised ``tau (B, T, 57)``; zero in the last row.

        Taken with respect to the fields and put together once: through slices of ``tau`` every term would add an
        array of full size.
        """
        named = dict(zip(self.parameter_names, parameters))

        def total(*fields):
            return composed_reward(self.terms, Segment(*fields), reward_weights, named).sum()

        fields = Segment.of(tau * std + mean)
        gradients = torch.func.grad(total, argnums=tuple(range(len(fields))))(*fields)
        return torch.nn.functional.pad(torch.cat(gradients, dim=-1), (0, 0, 0, 1)) * std

    def finish(self, tau, gradient, transition, known, known_mask, guidance_scale, lower, upper):
        """Lines 5 to 7: reward planning, projection onto the box ``(T, 57)``, known entries ``known_mask (T, 57)``."""
        variance = transition[:, 3:4]
        # A gradient step beyond the curvature of R overshoots and grows: no entry moves further than the standard
        # deviation of the step's own noise, so that a large weight saturates instead.
        bound = torch.sqrt(variance)
        tau = tau + torch.minimum(torch.maximum(guidance_scale * variance * gradient, -bound), bound)
        tau = torch.minimum(torch.maximum(tau, lower), upper)
        return torch.where(known_mask, known, tau)

    def forward(
        self, tau, row_features, transition, noise, known, known_mask, guidance_scale, reward_weights, lower, upper,
        *parameters,
    ):
        """-> ``tau_next (B, T, 57)`` normalised, ``trajectory (B, T, 57)`` physical, ``reward (B,)``."""
        reverse = self.reverse(tau, row_features, transition, noise)
        gradient = self.reward_gradient(reverse, self.mean, self.std, reward_weights, *parameters)
        tau_next = self.finish(reverse, gradient, transition, known, known_mask, guidance_scale, lower, upper)
        reward = self.reward(tau_next, self.mean, self.std, reward_weights, *parameters)
        return tau_next, tau_next * self.std + self.mean, reward
