"""Experiment `peaks-needed`, beyond the paper: how many peaks a good model takes.

The motifs that its arms try are found in `orchestrator.runs`.
"""
