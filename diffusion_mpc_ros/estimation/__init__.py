"""Contact-aided estimation of base velocity and height."""
