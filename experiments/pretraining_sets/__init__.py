"""Experiment `pretraining-sets` (Fig. 2B): which TFs to pre-train on.

The sets are chosen in `data.relations`.
"""
