"""Training of the models of D-MPC: proposals, dynamics, value, and the artefact that they make up together."""
