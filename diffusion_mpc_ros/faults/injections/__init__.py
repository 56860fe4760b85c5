"""How each fault is brought about while the robot walks, and taken away again."""
