"""The base: a masked multi-model of all TFs of a dataset, trained, measured and put in a folder.

Predictions by a base are in `orchestrator.prediction`.
"""
