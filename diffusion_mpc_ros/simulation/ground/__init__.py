"""Ground that is not flat: surfaces, kinds with a difficulty, and the ground of a world."""
