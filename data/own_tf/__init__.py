"""Your own TF: its peaks, sites predicted by its motif, its labels and regions.

Training it is not here.
"""
