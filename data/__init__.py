"""Peaks and sites to evidence tables: sources, Parquet store, sampling and simulation.

Networks are in `model`; whatever needs a finished run is in `orchestrator`.
"""
