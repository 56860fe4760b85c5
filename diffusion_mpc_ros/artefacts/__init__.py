"""Trained artefacts: what kinds there are, their cards, graphs and weights; loaded, checked and published whole."""
