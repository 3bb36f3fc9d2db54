"""Experiment `pretraining-sets` (Fig. 2B): which TFs to pre-train on."""
