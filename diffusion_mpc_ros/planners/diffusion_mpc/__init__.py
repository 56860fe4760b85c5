"""Diffusion-MPC (arXiv 2510.04234): plans by guided sampling from a learned trajectory prior."""
