"""Experiment `peaks-needed`, beyond the paper: how many peaks a good model takes."""
