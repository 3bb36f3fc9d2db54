"""One run: executed, stored, found again.

Running many is in `orchestrator.backends`.
"""
