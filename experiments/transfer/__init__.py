"""Experiment `transfer` (Fig. 1A): transfer beside scratch, TF by TF.

The transfer of weights is in `model.transfer`.
"""
