"""Experiment `transfer` (Fig. 1A): transfer beside scratch, TF by TF."""
