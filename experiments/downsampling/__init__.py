"""Experiment `downsampling` (Fig. 1B): how few regions are enough.

Regions are drawn in `data.dataset`.
"""
