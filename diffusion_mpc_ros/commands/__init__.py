"""The sub-commands of ``diffusion-mpc``, one module each; :mod:`diffusion_mpc_ros.cli` loads only the one asked for."""
