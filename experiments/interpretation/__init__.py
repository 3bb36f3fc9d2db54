"""Experiment `interpretation` (Fig. 3): filters, and how fine-tuning changes them.

Filters are read and followed in `orchestrator.interpretation`.
"""
