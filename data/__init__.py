"""Peaks and sites to evidence tables: sources, Parquet store, sampling and simulation."""
