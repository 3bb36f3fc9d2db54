"""Sequences to predict: windows of regions, and variants.

Predicting them is `orchestrator.prediction`.
"""
