"""What rewards and constraints do to the realised walk (arXiv 2510.04234, VI-A.1)."""
