"""What `evaluate d-mpc` measures with: recorded walks, the models that predict them, their errors."""
