"""Motifs: their files, databases, scanning and comparison.

What networks learnt is read in `model.interpretation`.
"""
