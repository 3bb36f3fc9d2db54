"""Experiment `interpretation` (Fig. 3): filters, and what becomes of them in fine-tuning.

Filters are read and followed in `orchestrator.interpretation`.
"""
