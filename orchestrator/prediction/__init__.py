"""Predictions by finished and imported models, and the files they are written to.

The sequences to predict are made in `data.queries`.
"""
