"""What people say to the robot, understood: a sentence becomes presets, a height, a velocity, or a clear no."""
