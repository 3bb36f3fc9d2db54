"""Peaks of one TF in one biosample: their formats, which of them count, and replicates.

ReMap's file of all TFs is read in `data.sources.intervals`.
"""
