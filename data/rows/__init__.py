"""Rows of tab-separated files: read, checked and kept as columns, whatever they stand for.

What the rows of a source mean is in `data.sources`, and peaks are read in `data.peaks`.
"""
