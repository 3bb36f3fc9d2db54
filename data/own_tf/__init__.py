"""Your own TF: its peaks, sites predicted by its motif, its labels and regions.

Training is not here.
"""
