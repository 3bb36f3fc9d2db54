"""Predictions by finished and imported models, and the files they are written to."""
