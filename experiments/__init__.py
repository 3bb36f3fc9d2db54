"""What to run: one named function per experiment, and the command line.

How runs are executed, stored and reported is in `orchestrator`.
"""
