"""D-MPC: proposals, dynamics and value, learnt apart (arXiv 2410.05364)."""
