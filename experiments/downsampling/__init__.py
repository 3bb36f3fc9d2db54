"""Experiment `downsampling` (Fig. 1B): how few regions are enough."""
