"""DIAL-MPC: sampling-based MPC with diffusion-style annealing (arXiv 2409.15610), and what it is compared with."""
