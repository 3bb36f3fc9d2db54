"""Simulated source files in the real ones' formats. Nothing here reads a dataset."""
