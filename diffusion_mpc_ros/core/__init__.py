"""What every other part shares: constants, types, the trajectory layout, rotations, errors. NumPy only."""
