"""One file for each experiment on evaluation/experiment.py; a command each."""
