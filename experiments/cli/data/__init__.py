"""`bindgrid data`: the commands that make, show and export datasets.

What they do is in `data`.
"""
