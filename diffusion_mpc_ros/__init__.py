"""Real-time locomotion for the Unitree Go2 with Diffusion-MPC (arXiv 2510.04234)."""

__version__ = "0.1.0"
