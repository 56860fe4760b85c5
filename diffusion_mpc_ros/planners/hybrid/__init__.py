"""A learned prior that a simulator corrects: candidates of Diffusion-MPC, ranked and improved by rollouts."""
